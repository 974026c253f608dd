"""``latentrl/Maze-v0``: a point that is pushed about in a room, seen through a noisy camera that shows no wall."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.maze.batch import GROUND_TRUTH, RENDER_MODES, TIMING, MazeBatch, MazeSettings


class MazeEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """Go around a wall that only the way things move tells of.

    Observation: ``[16, 16, 1]`` uint8, drawn from the position alone. Action: the force ``[2]`` in N, to the right and
    upwards, clipped to 1 and held for 0.1 s. The first position is uniform where no wall is;
    ``reset(options={"position": ..., "velocity": ...})`` sets either, ``{"low": ..., "high": ...}`` are corners between
    which it is drawn. Nothing ends an episode: for a time limit pass ``max_episode_steps`` to ``gymnasium.make``.

    ``info`` holds the ground truth for evaluation: "position" (m), "velocity" (m/s), each ``[2]``, and "clean", the
    noise-free observation. The reward is zero.

    The keyword arguments are those of :class:`~latentrl.envs.maze.batch.MazeSettings`.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, **TIMING, "ground_truth": GROUND_TRUTH}  # noqa: RUF012
    settings: MazeSettings
    render_mode: str | None
    observation_space: Box
    action_space: Box

    def __init__(self, **settings: Any) -> None:
        self.settings = MazeSettings(**settings)
        self.render_mode = self.settings.render_mode
        self.observation_space = self.settings.observation_space
        self.action_space = self.settings.action_space
        self._point = MazeBatch(1, self.settings)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode, from a random state or the one in ``options``; observation ``[16, 16, 1]`` and info.

        Raises:
            ValueError: an unknown option, or one that is no finite position.
        """
        super().reset(seed=seed)
        self._point.reset(self.np_random, options)
        return self._observe()

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Apply the force ``action [2]`` (N) for a control step.

        Raises:
            ValueError: a force that is not a number.
        """
        reward = self._point.advance(action)
        observation, info = self._observe()
        return observation, float(reward[0]), False, False, info

    def photograph(self, position: ArrayLike) -> NDArray[np.uint8]:
        """A noisy picture ``[16, 16, 1]`` uint8 of a point at ``position [2]``, m: for a goal image."""
        return self._point.photograph(self.np_random, position)[0][0]

    def render(self) -> NDArray[np.uint8] | None:
        """``[render_size, render_size, 3]`` uint8 if the render mode is "rgb_array"."""
        return self._point.render(0)

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        state = self._point
        noisy, clean = state.photograph(self.np_random)
        truth = {"position": state.position[0].copy(), "velocity": state.velocity[0].copy()}
        return noisy[0], {**truth, "clean": clean[0]}
