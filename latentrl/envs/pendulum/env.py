"""``latentrl/Pendulum-v0``: a pendulum that is seen only through a noisy camera."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.pendulum.batch import GROUND_TRUTH, RENDER_MODES, PendulumBatch, PendulumSettings


class PendulumEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """Swing a pendulum up from noisy images, S = 16 pixels high and wide unless ``size`` says otherwise.

    Observation: ``[S, S, 1]`` uint8, drawn from the angle alone. Action: the torque ``[1]`` in N m, clipped to the
    limit and held for ``control_step``, 0.1 s unless said otherwise. The first angle is uniform on the circle, the
    first velocity within ``first_velocity``; ``reset(options={"angle": ..., "velocity": ...})`` sets either. Nothing
    ends an episode: for a time limit pass ``max_episode_steps`` to ``gymnasium.make``.

    ``info`` holds the ground truth for evaluation: "angle" in [-pi, pi) (0 upright, counter-clockwise positive),
    "velocity" and "clean", the noise-free observation. The reward is minus the usual swing-up cost of the state that
    the action met; it is there because Gymnasium asks for one, and nothing in this package learns from it.

    The keyword arguments are those of :class:`~latentrl.envs.pendulum.batch.PendulumSettings`.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        **PendulumSettings().timing,
        "ground_truth": GROUND_TRUTH,
    }
    settings: PendulumSettings
    render_mode: str | None
    observation_space: Box
    action_space: Box

    def __init__(self, **settings: Any) -> None:
        self.settings = PendulumSettings(**settings)
        self.metadata = {**self.metadata, **self.settings.timing}
        self.render_mode = self.settings.render_mode
        self.observation_space = self.settings.observation_space
        self.action_space = self.settings.action_space
        self._pendulum = PendulumBatch(1, self.settings)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode, from a random state or the one in ``options``; observation ``[S, S, 1]`` and info.

        Raises:
            ValueError: an unknown option, or a value that is not finite.
        """
        super().reset(seed=seed)
        self._pendulum.reset(self.np_random, options)
        return self._observe()

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Apply the torque ``action [1]`` (N m) for a control step.

        Raises:
            ValueError: a torque that is not a number.
        """
        reward = self._pendulum.advance(action)
        observation, info = self._observe()
        return observation, float(reward[0]), False, False, info

    def photograph(self, angle: ArrayLike) -> NDArray[np.uint8]:
        """A noisy picture ``[S, S, 1]`` uint8 of a pendulum at ``angle``, a number or ``[1]``: for a goal image."""
        return self._pendulum.photograph(self.np_random, np.reshape(angle, 1))[0][0]

    def render(self) -> NDArray[np.uint8] | None:
        """``[render_size, render_size, 3]`` uint8 if the render mode is "rgb_array"."""
        return self._pendulum.render(0)

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        state = self._pendulum
        noisy, clean = state.photograph(self.np_random)
        return noisy[0], {"angle": float(state.angle[0]), "velocity": float(state.velocity[0]), "clean": clean[0]}
