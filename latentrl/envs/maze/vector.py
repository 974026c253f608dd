"""``latentrl/Maze-v0``, vectorised: many points moved and photographed in one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.batched import BatchedVectorEnv, described
from latentrl.envs.maze.batch import GROUND_TRUTH, RENDER_MODES, TIMING, MazeBatch, MazeSettings


class MazeVectorEnv(BatchedVectorEnv[MazeBatch]):
    """``num_envs`` times :class:`~latentrl.envs.maze.env.MazeEnv`.

    The keyword arguments behind ``max_episode_steps`` are those of :class:`~latentrl.envs.maze.batch.MazeSettings`.
    """

    metadata: dict[str, Any] = described(RENDER_MODES, GROUND_TRUTH, TIMING)
    settings: MazeSettings

    def __init__(self, num_envs: int = 1, max_episode_steps: int | None = None, **settings: Any) -> None:
        self.settings = MazeSettings(**settings)
        super().__init__(num_envs, max_episode_steps, self.settings, lambda count: MazeBatch(count, self.settings))

    def photograph(self, position: ArrayLike) -> NDArray[np.uint8]:
        """Noisy pictures ``[N, 16, 16, 1]`` uint8 of points at ``position [N, 2]`` or ``[2]``, for any ``N``."""
        return self.batch.photograph(self.np_random, position)[0]
