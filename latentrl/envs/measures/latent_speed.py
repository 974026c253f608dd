"""To move at a speed that only a model has a measure of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.measures.base import LENGTH, Floats, Outcome, Truth, last_steps

SPEEDS = "latent_speeds"
"""The entry of the truth that holds the velocities that a model reads off the observations."""


@dataclass(frozen=True)
class LatentSpeed:
    """The model's velocities against what is wanted of them, for comparing; over the second half of each episode.

    Figures ``latent_speed`` and ``latent_speed_error``, with ``_1``, ``_2``, ... where there are several dimensions:
    the mean velocity, and its distance from what is wanted. Their means over the episodes count, with intervals.

    Attributes:
        wanted: one number for each velocity dimension, in ``unit``.
        unit: of the numbers, and of ``truth["latent_speeds"] [T, N, Dv]``.
    """

    wanted: tuple[float, ...] = (1.0,)
    unit: str = "of the top speed"

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        found: dict[str, str] = {}
        for name in self._names("latent_speed"):
            found |= {f"{name}_mean": f"{name}, {self.unit}", f"{name}_low": "95% from", f"{name}_high": "95% to"}
        for name in self._names("latent_speed_error"):
            found |= {f"{name}_mean": f"{name}, {self.unit}", f"{name}_low": "from", f"{name}_high": "to"}
        return found

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["latent_speeds"] [T, N, Dv]``."""
        speeds = truth[SPEEDS]
        length = np.asarray(truth.get(LENGTH, [len(speeds)]))
        counted = last_steps(truth, len(speeds), np.ceil(length / 2))[..., None]
        mean: Floats = np.where(counted, speeds, 0.0).sum(0) / counted.sum(0)
        figures = dict(zip(self._names("latent_speed"), mean.T, strict=True))
        errors = np.abs(mean - np.asarray(self.wanted))
        figures |= dict(zip(self._names("latent_speed_error"), errors.T, strict=True))
        return Outcome(None, figures, averaged=tuple(figures))

    def _names(self, name: str) -> tuple[str, ...]:
        if len(self.wanted) == 1:
            return (name,)
        return tuple(f"{name}_{number}" for number in range(1, len(self.wanted) + 1))
