"""``latentrl/Reacher-v0``, vectorised: arms that share one compiled model and one camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.checks import check_batch
from latentrl.envs.reacher.env import ReacherEnv


class ReacherVectorEnv(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]]):
    """``num_envs`` times :class:`~latentrl.envs.reacher.env.ReacherEnv`, seeded with ``seed``, ``seed + 1`` and so on.

    A model is large and an OpenGL context is slow to change, so both are shared. After ``max_episode_steps``
    (default: never) all arms are truncated and start again on the next step, whose action they ignore and whose reward
    is zero (Gymnasium's NEXT_STEP convention).

    The other keyword arguments are those of :class:`~latentrl.envs.reacher.env.ReacherEnv`.

    Raises:
        UserError: ``num_envs`` or ``max_episode_steps`` is no whole number from 1 on.
    """

    metadata: dict[str, Any]
    render_mode: str | None
    single_observation_space: Box
    single_action_space: Box
    observation_space: Space[NDArray[Any]]
    action_space: Space[NDArray[Any]]

    def __init__(self, num_envs: int = 1, max_episode_steps: int | None = None, **settings: Any) -> None:
        check_batch(num_envs, max_episode_steps)
        self.num_envs = num_envs
        first = ReacherEnv(**settings)
        self._arms = [first, *(ReacherEnv(**settings, beside=first) for _ in range(num_envs - 1))]
        self.render_mode = first.render_mode
        self.metadata = {**first.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._last_step = np.inf if max_episode_steps is None else max_episode_steps
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start all episodes, from random states or those in ``options``: ``[2]`` or ``[num_envs, 2]`` each."""
        self._steps = 0
        given = {name: self._each(name, value) for name, value in (options or {}).items()}
        return self._stacked(
            [
                arm.reset(
                    seed=None if seed is None else seed + index,
                    options={name: values[index] for name, values in given.items()},
                )
                for index, arm in enumerate(self._arms)
            ]
        )

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Apply the torques ``actions [num_envs, 2]`` for one control step."""
        never = np.zeros(self.num_envs, dtype=bool)
        if self._steps >= self._last_step:
            observation, info = self.reset()
            return observation, np.zeros(self.num_envs), never, never.copy(), info
        self._steps += 1
        results = [arm.step(action) for arm, action in zip(self._arms, actions, strict=True)]
        observation, info = self._stacked([(result[0], result[4]) for result in results])
        reward = np.array([result[1] for result in results])
        return observation, reward, never, np.full(self.num_envs, self._steps >= self._last_step), info

    def photograph(self, angles: ArrayLike) -> NDArray[Any]:
        """Observations ``[N, ...]`` of an arm at ``angles [N, 2]``, for any N; one pose ``[2]`` counts as N = 1."""
        return np.stack([self._arms[0].photograph(pose) for pose in np.atleast_2d(angles)])

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """``[256, 256, 3]`` uint8 of each arm if the render mode is "rgb_array"."""
        frames = (arm.render() for arm in self._arms)
        return None if self.render_mode is None else tuple(frame for frame in frames if frame is not None)

    def close_extras(self, **kwargs: Any) -> None:
        """Give the OpenGL contexts back, the shared one last."""
        for arm in reversed(self._arms):
            arm.close()

    def _each(self, name: str, value: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(value, dtype=np.float64)
        if array.shape not in ((2,), (self.num_envs, 2)):
            raise ValueError(f"reset option {name!r}: give two numbers, or two for each of the {self.num_envs} arms")
        return np.broadcast_to(array, (self.num_envs, 2))

    def _stacked(self, results: list[tuple[NDArray[Any], dict[str, Any]]]) -> tuple[NDArray[Any], dict[str, Any]]:
        infos = [info for _, info in results]
        stacked: dict[str, Any] = {key: np.stack([info[key] for info in infos]) for key in infos[0]}
        # Gymnasium's mask for each entry: which of the environments it was given for.
        masks = {f"_{key}": np.ones(self.num_envs, dtype=bool) for key in stacked}
        return np.stack([observation for observation, _ in results]), {**stacked, **masks}
