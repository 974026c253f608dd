"""``latentrl/Pendulum-v0``, vectorised: many pendulums moved and photographed in one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.batched import BatchedVectorEnv, described
from latentrl.envs.pendulum.batch import GROUND_TRUTH, RENDER_MODES, PendulumBatch, PendulumSettings


class PendulumVectorEnv(BatchedVectorEnv[PendulumBatch]):
    """``num_envs`` times :class:`~latentrl.envs.pendulum.env.PendulumEnv`.

    The keyword arguments behind ``max_episode_steps`` are those of
    :class:`~latentrl.envs.pendulum.batch.PendulumSettings`.
    """

    metadata: dict[str, Any] = described(RENDER_MODES, GROUND_TRUTH, PendulumSettings().timing)
    settings: PendulumSettings

    def __init__(self, num_envs: int = 1, max_episode_steps: int | None = None, **settings: Any) -> None:
        self.settings = PendulumSettings(**settings)
        self.metadata = {**self.metadata, **self.settings.timing}
        super().__init__(num_envs, max_episode_steps, self.settings, lambda count: PendulumBatch(count, self.settings))

    def photograph(self, angle: ArrayLike) -> NDArray[np.uint8]:
        """Noisy pictures ``[N, S, S, 1]`` uint8 of pendulums at ``angle [N]`` or ``[N, 1]``, for any ``N``."""
        return self.batch.photograph(self.np_random, np.reshape(angle, -1))[0]
