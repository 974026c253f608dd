"""A cylinder: a ring and a line."""
