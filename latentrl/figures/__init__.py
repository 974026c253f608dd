"""Figures: pure functions from arrays to pictures, films and pages."""
