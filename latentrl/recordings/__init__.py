"""Recordings that others made, in their formats, on their way into a data folder."""
