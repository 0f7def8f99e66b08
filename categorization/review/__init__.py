"""The practice's own pages: its people review what each appointment type counts as, and sign off.

They see their practice only, and types only: nothing of a patient is on these pages.
"""
