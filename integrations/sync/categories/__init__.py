"""Appointment types from the engine's side: getting to know them, who a change of theirs moves, and moving them."""
