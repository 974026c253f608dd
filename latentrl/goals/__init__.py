"""Goals: what a user points at instead of writing a reward function."""
