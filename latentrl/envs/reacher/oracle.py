"""The arm's upper baseline: feedback control on its true state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.reacher.geometry import wrapped


class ServoAgent:
    """Moves a reacher's joints to true poses by proportional-derivative control on the true state.

    Implements `latentrl.envs.description.TruthAgent`. The shoulder turns the shorter way. The gains are set by hand for
    a control step of 0.04 s, in torque (a share of the motors') per rad and per rad/s.

    Args:
        goals: true poses ``[N, 2]``, rad.
        torque: the largest that it may apply.
    """

    STIFFNESS, DAMPING = 1.0, 0.1
    goals: NDArray[np.float64]
    torque: float

    def __init__(self, goals: NDArray[np.float64], torque: float) -> None:
        self.goals, self.torque = goals, torque

    def reset(self, seed: int | None = None) -> None:
        """Nothing to forget."""

    def act_on_truth(self, truth: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
        """Actions ``[N, 2]`` for the true "angles" (rad) and "velocities" (rad/s), each ``[N, 2]``."""
        error = self.goals - truth["angles"]
        error[:, 0] = wrapped(error[:, 0])
        wanted = self.STIFFNESS * error - self.DAMPING * truth["velocities"]
        return np.clip(wanted, -self.torque, self.torque).astype(np.float32)
