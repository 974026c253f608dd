"""Trained runs that come with the package: what they are, and copies of them to work in."""
