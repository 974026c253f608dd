"""Control on learned latent state-space models: random frames of a system and a goal image become a controller."""

from __future__ import annotations

__version__ = "0.1.0"
