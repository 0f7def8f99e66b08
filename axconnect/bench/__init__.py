"""``make bench``: how fast events go from our door to the last CRM write, and what they cost."""
