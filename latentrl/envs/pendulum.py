"""``latentrl/Pendulum-v0``: swing a pendulum up from noisy 16 x 16 images.

One class for one pendulum and one for many at once; the motion and the camera are the same functions for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from latentrl.envs import pendulum_camera as camera
from latentrl.envs import pendulum_physics as physics
from latentrl.envs.pendulum_render import render

RENDER_FPS = round(1 / physics.CONTROL_STEP)
GROUND_TRUTH = ("angle", "velocity", "clean")


@dataclass(frozen=True)
class PendulumSettings:
    """What can be set when a pendulum is made.

    Attributes:
        torque_limit: actions are clipped to plus or minus this, N m.
        first_velocity: the first velocity is uniform in plus or minus this, rad/s.
        picture: what the camera sees, "blob" or "rod".
        noise: standard deviation of the sensor noise as a fraction of full scale.
        render_size: height and width of rendered frames in pixels.
    """

    torque_limit: float = 2.0
    first_velocity: float = 5.0
    picture: camera.Picture = "blob"
    noise: float = 0.01
    render_size: int = 256

    def __post_init__(self) -> None:
        if not 0.0 < self.torque_limit < np.inf:
            raise ValueError(f"torque_limit={self.torque_limit!r}: give a positive, finite torque in N m")
        if not 0.0 <= self.first_velocity < np.inf:
            raise ValueError(f"first_velocity={self.first_velocity!r}: give a finite speed in rad/s, zero or more")
        if self.picture not in camera.PICTURES:
            raise ValueError(f"picture={self.picture!r}: choose one of {', '.join(camera.PICTURES)}")
        if not 0.0 <= self.noise < np.inf:
            raise ValueError(f"noise={self.noise!r}: give a fraction of full scale, zero or more")
        if self.render_size < 1:
            raise ValueError(f"render_size={self.render_size!r}: give a number of pixels, one or more")

    @property
    def observation_space(self) -> Box:
        """Grey images ``[16, 16, 1]`` uint8."""
        return Box(0, 255, (camera.SIZE, camera.SIZE, 1), np.uint8)

    @property
    def action_space(self) -> Box:
        """The torque ``[1]`` float32 in N m."""
        return Box(-self.torque_limit, self.torque_limit, (1,), np.float32)


class _Pendulums:
    """``N`` pendulums: their state, and the steps that both environments share."""

    def __init__(self, count: int, settings: PendulumSettings) -> None:
        self.settings = settings
        self.angle = np.full(count, np.pi)
        self.velocity = np.zeros(count)
        self.torque = np.zeros(count)

    def reset(self, which: NDArray[np.bool_], rng: np.random.Generator, options: dict[str, Any] | None) -> None:
        """New first states for the pendulums in the mask ``which [N]``."""
        given = options or {}
        unknown = sorted(set(given) - {"angle", "velocity"})
        if unknown:
            raise ValueError(f"reset option {unknown[0]!r} is unknown: the options are 'angle' and 'velocity'")
        count, speed = len(self.angle), self.settings.first_velocity
        angle = rng.uniform(-np.pi, np.pi, count)
        velocity = rng.uniform(-speed, speed, count)
        if "angle" in given:
            angle = _state_option("angle", given["angle"], count)
        if "velocity" in given:
            velocity = _state_option("velocity", given["velocity"], count)
        self.angle = np.where(which, physics.wrap(angle), self.angle)
        self.velocity = np.where(which, velocity, self.velocity)
        self.torque = np.where(which, 0.0, self.torque)

    def advance(self, actions: NDArray[np.floating]) -> NDArray[np.float64]:
        """One control step under ``actions [N]``; returns rewards ``[N]``."""
        limit = self.settings.torque_limit
        torque = np.clip(actions.astype(np.float64), -limit, limit)
        if not np.isfinite(torque).all():
            raise ValueError(f"action {actions.tolist()} is not finite: torques must be numbers")
        reward = -physics.cost(self.angle, self.velocity, torque)
        angle, self.velocity = physics.advance(self.angle, self.velocity, torque)
        self.angle, self.torque = physics.wrap(angle), torque
        return reward

    def photograph(self, angle: ArrayLike, rng: np.random.Generator) -> tuple[camera.Images, camera.Images]:
        """Noisy and clean pictures ``[N, 16, 16, 1]`` of pendulums at ``angle [N]``."""
        scene = camera.draw(np.asarray(angle, dtype=np.float64), self.settings.picture)
        return camera.expose(scene, self.settings.noise, rng)

    def render(self, index: int) -> NDArray[np.uint8]:
        """One pendulum for people."""
        settings = self.settings
        return render(
            float(self.angle[index]), float(self.torque[index]), settings.torque_limit, settings.render_size
        )


class PendulumEnv(gymnasium.Env[NDArray[np.uint8], NDArray[np.float32]]):
    """A pendulum that is seen only through a noisy camera.

    Observation: ``[16, 16, 1]`` uint8, drawn from the angle alone. Action: the torque ``[1]`` in N m, clipped to the limit.
    The first angle is uniform on the circle, the first velocity uniform in plus or minus ``first_velocity``;
    ``reset(options={"angle": ..., "velocity": ...})`` sets either. Nothing ends an episode: for a time limit pass
    ``max_episode_steps`` to ``gymnasium.make``.

    ``info`` holds the ground truth for evaluation: "angle" in [-pi, pi), "velocity" and "clean", the noise-free observation.
    The reward is minus the usual swing-up cost of the state the action met; it is there because Gymnasium asks for one,
    and nothing in this package learns from it.

    The keyword arguments are those of :class:`PendulumSettings`, plus ``render_mode`` (None or "rgb_array").
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": RENDER_FPS, "ground_truth": GROUND_TRUTH}

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self.render_mode = _known_render_mode(render_mode)
        self.settings = PendulumSettings(**settings)
        self.observation_space = self.settings.observation_space
        self.action_space = self.settings.action_space
        self._pendulum = _Pendulums(1, self.settings)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode, from a random state or the one in ``options``."""
        super().reset(seed=seed)
        self._pendulum.reset(np.ones(1, dtype=bool), self.np_random, options)
        return self._observe()

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Apply the torque ``action [1]`` for 0.1 s."""
        reward = self._pendulum.advance(np.asarray(action, dtype=np.float64).reshape(1))
        observation, info = self._observe()
        return observation, float(reward[0]), False, False, info

    def photograph(self, angle: float) -> NDArray[np.uint8]:
        """A noisy picture ``[16, 16, 1]`` uint8 of a pendulum at ``angle``: the way to get a goal image."""
        return self._pendulum.photograph([angle], self.np_random)[0][0]

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """``[render_size, render_size, 3]`` uint8 when ``render_mode`` is "rgb_array"."""
        return self._pendulum.render(0) if self.render_mode == "rgb_array" else None

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        state = self._pendulum
        noisy, clean = state.photograph(state.angle, self.np_random)
        return noisy[0], {"angle": float(state.angle[0]), "velocity": float(state.velocity[0]), "clean": clean[0]}


class PendulumVectorEnv(VectorEnv[NDArray[np.uint8], NDArray[np.float32], NDArray[Any]]):
    """``num_envs`` independent pendulums, moved and photographed in one array.

    As :class:`PendulumEnv`, batched. One generator serves all of them, so a seed fixes the whole batch. After
    ``max_episode_steps`` a pendulum is truncated and starts again on the next step, whose action is ignored and whose
    reward is zero (Gymnasium's NEXT_STEP convention). The values of ``options`` are single numbers or ``[num_envs]``.
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": RENDER_FPS,
        "ground_truth": GROUND_TRUTH,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs!r}: give one or more")
        self.num_envs = num_envs
        self.render_mode = _known_render_mode(render_mode)
        self.settings = PendulumSettings(**settings)
        self.single_observation_space = self.settings.observation_space
        self.single_action_space = self.settings.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._pendulums = _Pendulums(num_envs, self.settings)
        self._max_episode_steps = np.inf if max_episode_steps is None else max_episode_steps
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start all episodes, from random states or those in ``options``."""
        super().reset(seed=seed)
        self._pendulums.reset(np.ones(self.num_envs, dtype=bool), self.np_random, options)
        self._steps[:] = 0
        self._ended[:] = False
        return self._observe()

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Apply the torques ``actions [num_envs, 1]`` for 0.1 s."""
        torques = np.asarray(actions, dtype=np.float64).reshape(self.num_envs)
        reward = self._pendulums.advance(torques)
        self._steps += 1
        if self._ended.any():
            self._pendulums.reset(self._ended, self.np_random, None)
            self._steps[self._ended] = 0
            reward[self._ended] = 0.0
        truncated = self._steps >= self._max_episode_steps
        self._ended = truncated
        observation, info = self._observe()
        return observation, reward, np.zeros(self.num_envs, dtype=bool), truncated.copy(), info

    def photograph(self, angle: ArrayLike) -> NDArray[np.uint8]:
        """Noisy pictures ``[N, 16, 16, 1]`` uint8 of pendulums at ``angle [N]``, for any ``N``."""
        return self._pendulums.photograph(angle, self.np_random)[0]

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One frame for each pendulum when ``render_mode`` is "rgb_array"."""
        if self.render_mode is None:
            return None
        return tuple(self._pendulums.render(index) for index in range(self.num_envs))

    def _observe(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        state = self._pendulums
        noisy, clean = state.photograph(state.angle, self.np_random)
        info: dict[str, Any] = {"angle": state.angle.copy(), "velocity": state.velocity.copy(), "clean": clean}
        info.update({f"_{key}": np.ones(self.num_envs, dtype=bool) for key in tuple(info)})
        return noisy, info


def _known_render_mode(render_mode: str | None) -> str | None:
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode={render_mode!r}: choose None or 'rgb_array'")
    return render_mode


def _state_option(name: str, value: ArrayLike, count: int) -> NDArray[np.float64]:
    """A number or ``[count]`` numbers as ``[count]``."""
    try:
        state = np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))
    except (TypeError, ValueError) as error:
        raise ValueError(f"reset option {name!r}={value!r}: give one number or {count}") from error
    if not np.isfinite(state).all():
        raise ValueError(f"reset option {name!r}={value!r} is not finite: give a number")
    return state.copy()
