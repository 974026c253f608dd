"""To move at a speed that only a model has a measure of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentrl.envs.measures.base import GOAL, LENGTH, Outcome, Truth, last_steps

SPEEDS = "latent_speeds"
"""The entry of the truth that holds the velocities that a model reads off the observations."""


@dataclass(frozen=True)
class LatentSpeed:
    """The model's velocities against the one that is wanted, for comparing; over the second half of each episode.

    Figures of the mean velocity: ``latent_speed_ratio``, how much of what is wanted it is, along that direction (1 is
    all, negative the wrong way), and ``latent_speed_error``, its distance from what is wanted. Their means over the
    episodes count, with intervals.

    Attributes:
        unit: of ``truth["latent_speeds"] [T, N, Dv]`` and of ``truth["goal"] [N, Dv]``.
    """

    unit: str = "of the top speed"

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        return {
            "latent_speed_ratio_mean": "latent speed / goal",
            "latent_speed_ratio_low": "95% from",
            "latent_speed_ratio_high": "95% to",
            "latent_speed_error_mean": f"latent speed, error, {self.unit}",
            "latent_speed_error_low": "95% from, error",
            "latent_speed_error_high": "to, error",
        }

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["latent_speeds"]`` and ``truth["goal"]``."""
        speeds, wanted = truth[SPEEDS], truth[GOAL]
        length = np.asarray(truth.get(LENGTH, [len(speeds)]))
        counted = last_steps(truth, len(speeds), np.ceil(length / 2))[..., None]
        mean = np.where(counted, speeds, 0.0).sum(0) / counted.sum(0)
        size = np.square(wanted).sum(-1)
        ratio = np.divide((mean * wanted).sum(-1), size, out=np.full(len(size), np.inf), where=size > 0)
        figures = {"latent_speed_ratio": ratio, "latent_speed_error": np.linalg.norm(mean - wanted, axis=-1)}
        return Outcome(
            None, figures, averaged=tuple(name for name, values in figures.items() if np.isfinite(values).all())
        )
