"""Runs: everything a later verb needs of a training, in one folder."""
