"""To be at a pose once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import GOAL, Outcome, Truth, distances


@dataclass(frozen=True)
class Passed:
    """Bring coordinates to a pose at any one step, as stable-worldmodel judges it; needs ``"goal"``.

    Success: all within ``tolerance`` of the goal at once, after one step or more (as ``ReacherQPosMatchTask`` of
    stable-worldmodel 0.1.1, which looks every 0.02 s, here once a control step). Figures: ``seconds_to_goal`` for the
    first time, infinite if there is none, and ``closest``, the least that the largest of the errors ever was.

    Attributes:
        coordinates: of the pose, ``D`` of them, all in one unit.
        tolerance: in that unit.
    """

    coordinates: tuple[Coordinate, ...]
    tolerance: float = 0.05

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        return {"seconds_to_goal": "s to goal", "closest": f"closest, {self.coordinates[0].unit}"}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the coordinates' entries of ``truth`` and ``truth["goal"] [N, D]``."""
        error = distances(self.coordinates, truth, truth[GOAL]).max(-1)
        inside = error < self.tolerance
        success = inside.any(axis=0)
        seconds = np.where(success, (inside.argmax(axis=0) + 1) * control_step, np.inf)
        return Outcome(np.asarray(success), {"seconds_to_goal": seconds, "closest": error.min(axis=0)})
