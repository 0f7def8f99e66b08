"""Nextech Cloud: the Select API, polled."""
