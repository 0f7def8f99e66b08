"""The demo: four practices, their made-up patients, and what happens at their front desks."""
