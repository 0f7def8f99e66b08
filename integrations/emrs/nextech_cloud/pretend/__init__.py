"""The pretend practice behind the sandbox: who, what, and how Nextech writes it down. Pure."""
