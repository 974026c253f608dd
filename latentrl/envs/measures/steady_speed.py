"""To move at a steady speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import LENGTH, Floats, Outcome, Truth, last_steps


@dataclass(frozen=True)
class SteadySpeed:
    """Move at a speed, in a direction; the target is the signed speed in the coordinate's unit.

    Success: the mean speed over the second half of the episode is within ``tolerance`` of the target, as a fraction.
    Figures over that half: ``mean_speed``, ``speed_ratio`` to the target (negative in the wrong direction), ``ripple``
    (standard deviation over time) and ``ripple_peak_to_peak``, both in the coordinate's unit.

    Attributes:
        velocity: the coordinate.
        tolerance: a fraction of the target.
    """

    velocity: Coordinate
    tolerance: float = 0.05

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        unit = self.velocity.unit
        return {
            "speed_ratio": "speed / goal",
            "ripple": f"ripple, {unit}",
            "ripple_peak_to_peak": f"peak to peak, {unit}",
        }

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the velocity ``[T, N]`` in ``truth``.

        Raises:
            ValueError: no target, or one of zero.
        """
        if not target:
            raise ValueError(f"a steady speed needs a target other than {target}")
        values = self.velocity.values(truth)
        if LENGTH in truth:
            # Gaps are skipped: each episode is measured over its own second half.
            half = last_steps(truth, len(values), np.ceil(truth[LENGTH] / 2))
            return self._over(np.ma.masked_array(values, ~half), target)
        return self._over(values[len(values) // 2 :], target)

    def _over(self, speed: Floats, target: float) -> Outcome:
        """The outcome of the velocities ``[T, N]`` that count."""
        mean = speed.mean(axis=0)
        figures = {
            "mean_speed": np.asarray(mean),
            "speed_ratio": np.asarray(mean / target),
            "ripple": np.asarray(speed.std(axis=0)),
            "ripple_peak_to_peak": np.asarray(speed.max(axis=0) - speed.min(axis=0)),
        }
        return Outcome(np.asarray(np.abs(mean / target - 1) <= self.tolerance), figures)
