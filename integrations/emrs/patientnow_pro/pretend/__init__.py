"""A pretend PatientNow Pro: people who are nobody, what a practice has on file, and its day. Pure: time and chance
come in."""
