"""Geometry: coordinates read off pictures, and what positions lie on."""
