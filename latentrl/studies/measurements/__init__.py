"""Measurements by name. A new one is a file, and a line here."""

from __future__ import annotations

from latentrl.studies.measurements.base import Measured, Measurement
from latentrl.studies.measurements.geodesics import GEODESIC_LENGTHS
from latentrl.studies.measurements.manifold import MANIFOLD
from latentrl.studies.measurements.tool_paths import TOOL_PATHS

MEASUREMENTS: dict[str, Measurement] = {"geodesics": GEODESIC_LENGTHS, "manifold": MANIFOLD, "tool-paths": TOOL_PATHS}

__all__ = ["MEASUREMENTS", "Measured", "Measurement"]
