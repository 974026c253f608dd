"""``latentrl/Maze-v0``, vectorised: many points moved and photographed in one array."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.maze.batch import GROUND_TRUTH, RENDER_MODES, TIMING, MazeBatch, MazeSettings


class MazeVectorEnv(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """``num_envs`` times :class:`~latentrl.envs.maze.env.MazeEnv`.

    One generator serves all points, so one seed fixes the whole batch; with ``num_envs=1`` everything equals the single
    environment. After ``max_episode_steps`` (default: never) a point is truncated and starts again on the next step,
    whose action it ignores (Gymnasium's NEXT_STEP convention).

    The other keyword arguments are those of :class:`~latentrl.envs.maze.batch.MazeSettings`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        **TIMING,
        "ground_truth": GROUND_TRUTH,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    settings: MazeSettings
    render_mode: str | None
    single_observation_space: Box
    single_action_space: Box
    observation_space: Space[NDArray[Any]]
    action_space: Space[NDArray[Any]]

    def __init__(self, num_envs: int = 1, max_episode_steps: int | None = None, **settings: Any) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs!r}: give one or more")
        self.num_envs = num_envs
        self.settings = MazeSettings(**settings)
        self.render_mode = self.settings.render_mode
        self.single_observation_space = self.settings.observation_space
        self.single_action_space = self.settings.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._points = MazeBatch(num_envs, self.settings)
        self._last_step = np.inf if max_episode_steps is None else max_episode_steps
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start all episodes, from random states or those in ``options``: ``[2]`` or ``[num_envs, 2]`` each."""
        super().reset(seed=seed)
        self._points.reset(self.np_random, options)
        self._steps[:] = 0
        self._ended[:] = False
        return self._observe()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Apply the forces ``actions [num_envs, 2]`` for a control step."""
        reward = self._points.advance(actions)
        self._steps += 1
        if self._ended.any():
            self._points.reset(self.np_random, which=self._ended)
            self._steps[self._ended] = 0
        self._ended = self._steps >= self._last_step
        observation, info = self._observe()
        return observation, reward, np.zeros(self.num_envs, dtype=bool), self._ended.copy(), info

    def photograph(self, position: ArrayLike) -> NDArray[np.uint8]:
        """Noisy pictures ``[N, 16, 16, 1]`` uint8 of points at ``position [N, 2]`` or ``[2]``, for any ``N``."""
        return self._points.photograph(self.np_random, position)[0]

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """``[render_size, render_size, 3]`` uint8 of each maze if the render mode is "rgb_array"."""
        frames = (self._points.render(index) for index in range(self.num_envs))
        return None if self.render_mode is None else tuple(frame for frame in frames if frame is not None)

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        state = self._points
        noisy, clean = state.photograph(self.np_random)
        info: dict[str, Any] = {"position": state.position.copy(), "velocity": state.velocity.copy(), "clean": clean}
        # Gymnasium's mask for each entry: which of the environments it was given for.
        info.update({f"_{key}": np.ones(self.num_envs, dtype=bool) for key in GROUND_TRUTH})
        return noisy, info
