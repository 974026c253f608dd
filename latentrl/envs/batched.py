"""Vectorised environments whose ``N`` systems are moved and photographed in one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from latentrl.envs.checks import check_batch


class Settings(Protocol):
    """What can be set when a system is made."""

    @property
    def render_mode(self) -> str | None:
        """None or "rgb_array"."""
        ...

    @property
    def observation_space(self) -> Box:
        """Of one system."""
        ...

    @property
    def action_space(self) -> Box:
        """Of one system."""
        ...


class Batch(Protocol):
    """The state of ``N`` independent systems that share one generator; its attributes ``[N, ...]`` are ground truth."""

    def reset(
        self, rng: np.random.Generator, options: dict[str, Any] | None = None, which: NDArray[np.bool_] | None = None
    ) -> None:
        """New first states for the systems in the mask ``which [N]`` (default: all)."""
        ...

    def advance(self, action: NDArray[Any], /) -> NDArray[np.float64]:
        """One control step; rewards ``[N]``."""
        ...

    def photograph(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Noisy and noise-free photographs."""
        ...

    def render(self, index: int) -> NDArray[np.uint8] | None:
        """A picture of one system; None without a render mode."""
        ...


B = TypeVar("B", bound=Batch)
CLEAN = "clean"
"""Among the ground truth, the photograph without noise."""


def described(render_modes: Sequence[str], ground_truth: Sequence[str], timing: dict[str, Any]) -> dict[str, Any]:
    """The metadata of such an environment."""
    return {
        "render_modes": list(render_modes),
        **timing,
        "ground_truth": tuple(ground_truth),
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }


class BatchedVectorEnv(VectorEnv[NDArray[Any], NDArray[Any], NDArray[Any]], Generic[B]):
    """``num_envs`` systems at once; what they are is said by their settings, and by what makes the batch of them.

    One generator serves all, so one seed fixes the whole batch; with ``num_envs=1`` everything equals the single
    environment. After ``max_episode_steps`` (None: never) a system is truncated and starts again on the next step,
    whose action it ignores and whose reward is zero (Gymnasium's NEXT_STEP convention).

    Raises:
        UserError: ``num_envs`` or ``max_episode_steps`` is no whole number from 1 on.
    """

    batch: B
    render_mode: str | None
    single_observation_space: Box
    single_action_space: Box
    observation_space: Space[NDArray[Any]]
    action_space: Space[NDArray[Any]]

    def __init__(
        self, num_envs: int, max_episode_steps: int | None, settings: Settings, make: Callable[[int], B]
    ) -> None:
        check_batch(num_envs, max_episode_steps)
        # Its own: what is changed in one is not in the others.
        self.metadata = deepcopy(self.metadata)
        self.num_envs = num_envs
        self.batch = make(num_envs)
        self.render_mode = settings.render_mode
        self.single_observation_space = settings.observation_space
        self.single_action_space = settings.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._last_step = np.inf if max_episode_steps is None else max_episode_steps
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start all episodes, from random states or those in ``options``: those of one system, or one for each."""
        super().reset(seed=seed)
        self.batch.reset(self.np_random, options)
        self._steps[:] = 0
        self._ended[:] = False
        return self._observe()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Apply ``actions [num_envs, Du]`` for a control step."""
        reward = self.batch.advance(actions)
        self._steps += 1
        if self._ended.any():
            self.batch.reset(self.np_random, which=self._ended)
            self._steps[self._ended] = 0
            reward[self._ended] = 0.0
        self._ended = self._steps >= self._last_step
        observation, info = self._observe()
        return observation, reward, np.zeros(self.num_envs, dtype=bool), self._ended.copy(), info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """``[render_size, render_size, 3]`` uint8 of each system if the render mode is "rgb_array"."""
        frames = (self.batch.render(index) for index in range(self.num_envs))
        return None if self.render_mode is None else tuple(frame for frame in frames if frame is not None)

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        noisy, clean = self.batch.photograph(self.np_random)
        names = self.metadata["ground_truth"]
        info = {name: clean if name == CLEAN else getattr(self.batch, name).copy() for name in names}
        # Gymnasium's mask for each entry: which of the environments it was given for.
        info.update({f"_{name}": np.ones(self.num_envs, dtype=bool) for name in names})
        return noisy, info
