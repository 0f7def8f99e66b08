"""The CRM's calls, one file for each kind of thing."""
