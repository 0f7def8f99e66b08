"""Two-way: a tag in the CRM makes a patient in the EMR. ``run.py`` is the way through, the rest its parts."""
