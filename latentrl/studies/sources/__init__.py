"""Sources of frames by name. A new one is a file, and a line here."""

from __future__ import annotations

from latentrl.studies.sources.base import Frames, Source, Splits
from latentrl.studies.sources.digits import digits
from latentrl.studies.sources.motion import motion

SOURCES: dict[str, Source] = {"digits": digits, "motion": motion}

__all__ = ["SOURCES", "Frames", "Source", "Splits"]
