"""What `latentrl quickstart` shows, by environment and by what is observed of it, the default first."""

from __future__ import annotations

from latentrl.quickstarts.pendulum import PENDULUM
from latentrl.quickstarts.plan import CURE, Plan, Showcase, stage_of
from latentrl.quickstarts.reacher import REACHER_ANGLES, REACHER_PIXELS

QUICKSTARTS: dict[str, dict[str, Showcase]] = {
    "pendulum": {"pixels": PENDULUM},
    "reacher": {"angles": REACHER_ANGLES, "pixels": REACHER_PIXELS},
}

__all__ = ["CURE", "QUICKSTARTS", "Plan", "Showcase", "stage_of"]
