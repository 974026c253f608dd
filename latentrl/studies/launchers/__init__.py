"""Launchers: where the processes of a study run."""
