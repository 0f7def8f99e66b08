"""A pretend CRM that runs as a process of its own, without Django: for the demo, shadow runs and tests."""
