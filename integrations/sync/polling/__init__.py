"""Asking EMRs what changed: exactly, cheaply, and saying so. Names no EMR.

A *cursor* is how far one resource of one connection was read. A *poll* reads all pages since then and stores,
in one transaction, the events of the rows that changed, the hashes by which it will know them again, and the
new mark.
"""
