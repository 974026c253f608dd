"""``N`` pendulums as one array: what the single and the vectorised environment share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.checks import (
    check_choice,
    check_known,
    check_number,
    check_rendering,
    check_whole,
    reset_numbers,
)
from latentrl.envs.pendulum import camera, physics
from latentrl.envs.pendulum.render import render

RENDER_MODES = ["rgb_array"]
GROUND_TRUTH = ("angle", "velocity", "clean")
LEAST_TORQUE, LARGEST_TORQUE = 1e-6, 1e3
FASTEST, MANY_TURNS = 100.0, 1e3
"""Of first states: rad/s and rad."""


@dataclass(frozen=True)
class PendulumSettings:
    """What can be set when a pendulum is made.

    Attributes:
        torque_limit: actions are clipped to plus or minus this, N m.
        first_velocity: the first velocity is uniform in plus or minus this, rad/s.
        picture: what the camera sees, "blob" or "rod".
        noise: standard deviation of the sensor noise as a fraction of full scale.
        size: height and width of the camera's pictures in pixels.
        background: "black", or "white" for inverted grey levels.
        control_step: seconds that a torque is held for, and between two pictures.
        render_mode: None or "rgb_array".
        render_size: height and width of rendered frames in pixels.

    Raises:
        ValueError: a value out of its range.
    """

    torque_limit: float = 2.0
    first_velocity: float = 5.0
    picture: camera.Picture = "blob"
    noise: float = 0.01
    size: int = camera.SIZE
    background: camera.Background = "black"
    control_step: float = physics.CONTROL_STEP
    render_mode: str | None = None
    render_size: int = 256

    def __post_init__(self) -> None:
        check_number("torque_limit", self.torque_limit, LEAST_TORQUE, LARGEST_TORQUE, "N m")
        check_number("first_velocity", self.first_velocity, 0.0, FASTEST, "rad/s")
        check_choice("picture", self.picture, camera.PICTURES)
        check_number("noise", self.noise, 0.0, 1.0, "of full scale")
        check_whole("size", self.size, camera.SMALLEST, camera.LARGEST, "pixels")
        check_choice("background", self.background, camera.BACKGROUNDS)
        check_number("control_step", self.control_step, physics.SHORTEST_STEP, physics.LONGEST_STEP, "seconds")
        check_rendering(self.render_mode, self.render_size)

    @property
    def observation_space(self) -> Box:
        """Grey images ``[size, size, 1]`` uint8."""
        return Box(0, 255, (self.size, self.size, 1), np.uint8)

    @property
    def timing(self) -> dict[str, Any]:
        """Of an environment's metadata, what says how long a step takes."""
        return {"render_fps": round(1 / self.control_step), "control_step": self.control_step}

    @property
    def action_space(self) -> Box:
        """The torque ``[1]`` float32 in N m."""
        return Box(-self.torque_limit, self.torque_limit, (1,), np.float32)


class PendulumBatch:
    """The state of ``N`` independent pendulums that share one generator.

    Attributes:
        angle: ``[N]`` rad in [-pi, pi), 0 upright, counter-clockwise positive.
        velocity: ``[N]`` rad/s.
        torque: ``[N]`` N m, the last one applied.
    """

    def __init__(self, count: int, settings: PendulumSettings) -> None:
        self.settings = settings
        self.angle: NDArray[np.float64] = np.zeros(count)
        self.velocity: NDArray[np.float64] = np.zeros(count)
        self.torque: NDArray[np.float64] = np.zeros(count)

    def reset(
        self, rng: np.random.Generator, options: dict[str, Any] | None = None, which: NDArray[np.bool_] | None = None
    ) -> None:
        """New first states for the pendulums in the mask ``which [N]`` (default: all).

        Args:
            rng: draws angles uniform on the circle and velocities uniform within the settings' bound.
            options: "angle" and "velocity", each one number, ``[N]`` or ``[N, 1]``, take the place of what was drawn.
            which: the others keep their state.

        Raises:
            ValueError: an unknown option, or a value that is out of its range or has another shape.
        """
        given = options or {}
        check_known(given, ("angle", "velocity"))
        count, speed = len(self.angle), self.settings.first_velocity
        angle = rng.uniform(-np.pi, np.pi, count)
        velocity = rng.uniform(-speed, speed, count)
        if "angle" in given:
            angle = _numbers("angle", given["angle"], count, MANY_TURNS, "rad")
        if "velocity" in given:
            velocity = _numbers("velocity", given["velocity"], count, FASTEST, "rad/s")
        mask = np.ones(count, dtype=bool) if which is None else which
        self.angle = np.where(mask, physics.wrap(angle), self.angle)
        self.velocity = np.where(mask, velocity, self.velocity)
        self.torque = np.where(mask, 0.0, self.torque)

    def advance(self, torque: ArrayLike) -> NDArray[np.float64]:
        """One control step.

        Args:
            torque: ``N`` numbers in any shape, N m; clipped to the limit.

        Returns:
            Rewards ``[N]``: minus the cost of the state that the torque met.

        Raises:
            ValueError: a torque that is not a number.
        """
        asked = np.asarray(torque, dtype=np.float64).reshape(self.angle.shape)
        if np.isnan(asked).any():
            raise ValueError(f"action {asked.tolist()} holds a NaN: torques must be numbers")
        self.torque = np.clip(asked, -self.settings.torque_limit, self.settings.torque_limit)
        reward = -physics.cost(self.angle, self.velocity, self.torque)
        angle, self.velocity = physics.advance(
            self.angle, self.velocity, self.torque, *physics.integration(self.settings.control_step)
        )
        self.angle = physics.wrap(angle)
        return reward

    def photograph(
        self, rng: np.random.Generator, angle: ArrayLike | None = None
    ) -> tuple[camera.Images, camera.Images]:
        """Noisy and noise-free photographs of the pendulums, or of others at ``angle [N]``; see the camera."""
        at = self.angle if angle is None else np.asarray(angle, dtype=np.float64)
        asked = self.settings
        return camera.photograph(at, asked.picture, asked.noise, rng, asked.size, asked.background)

    def render(self, index: int) -> NDArray[np.uint8] | None:
        """``[render_size, render_size, 3]`` uint8, a picture of one pendulum; None without a render mode."""
        if self.settings.render_mode is None:
            return None
        angle, torque = float(self.angle[index]), float(self.torque[index])
        return render(angle, torque, self.settings.torque_limit, self.settings.render_size)


def _numbers(name: str, value: ArrayLike, count: int, limit: float, unit: str) -> NDArray[np.float64]:
    """One number, ``[count]`` or ``[count, 1]`` of them as ``[count]``."""
    return reset_numbers(name, value, (count,), limit, f"one number or {count}", unit)
