"""PatientNow Pro: notices by webhook, made whole by API calls."""
