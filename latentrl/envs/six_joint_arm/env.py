"""Joint angles of an arm whose tool goes round a circle, as an environment (Latent Matters, 5.1.4.3)."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from latentrl.envs.checks import check_known, check_number, check_rendering, reset_numbers
from latentrl.envs.six_joint_arm.circle import Circle
from latentrl.envs.six_joint_arm.kinematics import JOINTS
from latentrl.envs.six_joint_arm.render import render

RENDER_MODES = ["rgb_array"]
GROUND_TRUTH = ("phase", "clean")
CONTROL_STEP = 0.1
SPEED = 1.0
"""Largest speed round the circle, rad/s."""
MANY_TURNS = 1e3
"""Of a first phase, rad."""


class SixJointArmEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """Move the tool of an arm along a circle of 0.4 m: six numbers, one degree of freedom.

    Observation: the joint angles ``[6]`` float32 in rad, found by inverse kinematics. Action: the speed round the
    circle ``[1]`` in rad/s, clipped to 1, held for 0.1 s. The first phase is uniform; ``reset(options={"phase": ...})``
    sets it. Nothing ends an episode: for a time limit pass ``max_episode_steps`` to ``gymnasium.make``.

    ``info`` holds the ground truth for evaluation: "phase" in [-pi, pi) rad and "clean", the observation without noise.
    The reward is zero.

    Args:
        noise: standard deviation of the joint sensors in radians.
        render_mode: None or "rgb_array": the arm from the side and from above.

    Raises:
        ValueError: a value out of its range.
        DependencyNotInstalled: MuJoCo is missing.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        "render_fps": round(1 / CONTROL_STEP),
        "control_step": CONTROL_STEP,
        "ground_truth": GROUND_TRUTH,
    }
    noise: float
    render_mode: str | None
    observation_space: Box
    action_space: Box

    def __init__(self, noise: float = 0.0, render_mode: str | None = None) -> None:
        check_number("noise", noise, 0.0, np.pi, "radians")
        check_rendering(render_mode)
        self.noise, self.render_mode = noise, render_mode
        # Of a sensor with noise, too: a whole turn either way.
        self.observation_space = Box(-2 * np.pi, 2 * np.pi, (JOINTS,), np.float32)
        self.action_space = Box(-SPEED, SPEED, (1,), np.float32)
        self._circle, self._phase = Circle(), 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode, at a random phase or that in ``options``; observation ``[6]`` and info.

        Raises:
            ValueError: an unknown option, or a phase that is no number in its range.
        """
        super().reset(seed=seed)
        given = options or {}
        check_known(given, ("phase",))
        phase = given.get("phase", self.np_random.uniform(-np.pi, np.pi))
        self._phase = float(reset_numbers("phase", phase, (), MANY_TURNS, "one number", "rad"))
        return self._observe()

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Go round at the speed ``action [1]`` (rad/s) for a control step.

        Raises:
            ValueError: a speed that is not a number.
        """
        if np.isnan(action).any():
            raise ValueError(f"action {np.asarray(action).tolist()} holds a NaN: a speed must be a number")
        self._phase += CONTROL_STEP * float(np.clip(np.reshape(action, ()), -SPEED, SPEED))
        observation, info = self._observe()
        return observation, 0.0, False, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """``[256, 512, 3]`` uint8, from the side and from above, if the render mode is "rgb_array"."""
        if self.render_mode is None:
            return None
        return render(self._circle.arm.skeleton(self._circle.angles(self._phase)))

    def _observe(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        angles = self._circle.angles(self._phase)
        noise = self.noise * self.np_random.standard_normal(JOINTS) if self.noise else 0.0
        wrapped = (self._phase + math.pi) % (2 * math.pi) - math.pi
        low, high = self.observation_space.low, self.observation_space.high
        observation = np.clip(angles + noise, low, high).astype(np.float32)
        return observation, {"phase": wrapped, "clean": angles.astype(np.float32)}
