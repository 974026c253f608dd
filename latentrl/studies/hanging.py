"""Gymnasium's pendulum with episodes that begin hanging: its own resets take ranges around upright alone.

Nothing is trained in it; ``--env latentrl.studies.hanging:latentrl/HangingPendulum-v1`` judges agents there.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from numpy.typing import NDArray

ENV_ID = "latentrl/HangingPendulum-v1"
NEAR = 0.1
"""Radians from hanging, and rad/s, within which an episode begins: without any all episodes were alike."""
STEPS = 200
"""Of an episode, as in the original."""


class HangingPendulum(PendulumEnv):
    """``Pendulum-v1`` but for where episodes begin."""

    state: NDArray[np.float64]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin within `NEAR` of hanging at rest; ``options`` are ignored."""
        super().reset(seed=seed)
        self.state = np.array([np.pi, 0.0]) + self.np_random.uniform(-NEAR, NEAR, 2)
        return self._get_obs(), {}


if ENV_ID not in gymnasium.registry:
    gymnasium.register(ENV_ID, f"{__name__}:HangingPendulum", max_episode_steps=STEPS)
