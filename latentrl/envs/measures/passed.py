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
        coordinates: of the pose, ``D`` of them, in one unit unless each has a tolerance of its own.
        tolerance: in that unit; or one for each coordinate in its own, and ``closest`` is then in tolerances.
    """

    coordinates: tuple[Coordinate, ...]
    tolerance: float | tuple[float, ...] = 0.05

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        unit = "tolerances" if isinstance(self.tolerance, tuple) else self.coordinates[0].unit
        return {"seconds_to_goal": "s to goal", "closest": f"closest, {unit}"}

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the coordinates' entries of ``truth`` and ``truth["goal"] [N, D]``."""
        each = distances(self.coordinates, truth, truth[GOAL])
        own = isinstance(self.tolerance, tuple)
        error = (each / np.asarray(self.tolerance)).max(-1) if own else each.max(-1)
        inside = error < (1.0 if own else self.tolerance)
        success = inside.any(axis=0)
        seconds = np.where(success, (inside.argmax(axis=0) + 1) * control_step, np.inf)
        return Outcome(np.asarray(success), {"seconds_to_goal": seconds, "closest": error.min(axis=0)})
