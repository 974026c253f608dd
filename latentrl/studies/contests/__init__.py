"""Contests: every model in every system, every agent in each of them; commands and files are the suite's."""
