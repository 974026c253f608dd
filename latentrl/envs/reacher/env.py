"""``latentrl/Reacher-v0``: a two-link arm seen through its joint sensors or a camera above it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike, NDArray

from latentrl.envs.checks import check_choice, check_known, check_number, check_rendering, reset_numbers
from latentrl.envs.reacher.camera import SIZE, ReacherCamera
from latentrl.envs.reacher.geometry import WRIST_LIMIT
from latentrl.envs.reacher.physics import PHYSICS_STEP, TARGET_RADIUS, ReacherPhysics
from latentrl.support.errors import UserError

Observation = Literal["angles", "pixels"]
Target = Literal["easy", "hard"]
RENDER_MODES = ["rgb_array"]
GROUND_TRUTH = ("angles", "velocities", "clean")
"""With pixels "clean" is the observation itself, and not announced: recorded pictures would be stored twice."""
RENDER_SIZE = 256
MANY_TURNS = 1e3
"""The shoulder turns freely, but a space of infinite size is one that others refuse."""
LONGEST_STEP = 1.0
"""Seconds."""
LIMITS = {"angles": (MANY_TURNS, "rad"), "velocities": (100.0, "rad/s"), "target": (10.0, "m")}
"""Of first states, to either side; a target that is far away is one that nothing reaches."""


class ReacherEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """The DeepMind control suite's reacher (Tassa et al., 2018), its target hidden from every observation.

    Observation: "angles" are those of shoulder (unwrapped) and wrist, ``[2]`` float32 in radians with Gaussian sensor
    noise; "pixels" is the picture from above, ``[64, 64, 3]`` uint8. Action: both torques ``[2]`` in [-1, 1], clipped,
    held for ``control_step``. An episode starts at rest, the shoulder uniform on the circle and the wrist uniform
    within its limits; ``reset(options={"angles": [2], "velocities": [2], "target": [2]})`` sets any of them. Nothing
    ends an episode: for a time limit pass ``max_episode_steps`` to ``gymnasium.make``.

    ``info`` holds the ground truth for evaluation: "angles" (rad, shoulder unwrapped), "velocities" (rad/s), "clean"
    (the observation without noise) and "target" (metres). The reward is the suite's, for scoring alone: the number of
    physics steps that the finger spent on the target, so that an episode of 1000 physics steps has the suite's return.

    Args:
        observation: "angles" or "pixels".
        control_step: seconds, a multiple of the physics' 0.02.
        target: "easy" or "hard", the target's size.
        noise: standard deviation of the joint sensors in radians; the camera has none.
        render_mode: None or "rgb_array": pictures for people, which show the target.
        beside: another reacher with the same settings whose model and camera to share; it is to be closed last.

    Raises:
        ValueError: a value out of its range.
        DependencyNotInstalled: MuJoCo or dm_control are missing; with "pixels" also where there is no OpenGL.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        "render_fps": 25,
        "ground_truth": GROUND_TRUTH,
    }
    noise: float
    radius: float
    render_mode: str | None
    observation_space: Box
    action_space: Box

    def __init__(
        self,
        observation: Observation = "angles",
        control_step: float = 0.04,
        target: Target = "easy",
        noise: float = 0.001,
        render_mode: str | None = None,
        beside: ReacherEnv | None = None,
    ) -> None:
        check_number("control_step", control_step, PHYSICS_STEP, LONGEST_STEP, "seconds")
        steps = round(control_step / PHYSICS_STEP)
        if abs(steps * PHYSICS_STEP - control_step) > 1e-9:
            raise UserError(f"control_step={control_step!r}: give a multiple of {PHYSICS_STEP} seconds")
        check_choice("observation", observation, get_args(Observation))
        check_choice("target", target, tuple(TARGET_RADIUS))
        check_number("noise", noise, 0.0, np.pi, "radians")
        check_rendering(render_mode)
        self.noise, self.radius, self.render_mode = noise, TARGET_RADIUS[target], render_mode
        self._steps = steps
        self._physics: ReacherPhysics = ReacherPhysics(beside._physics.model if beside else None)
        self._camera: ReacherCamera | None = None
        if observation == "pixels":
            self._camera = beside._camera if beside else ReacherCamera(self._physics.model)
        self._stage: tuple[ReacherPhysics, ReacherCamera] | None = None
        if self._camera is None:
            self.observation_space = Box(-MANY_TURNS, MANY_TURNS, (2,), np.float32)
        else:
            self.observation_space = Box(0, 255, (SIZE, SIZE, 3), np.uint8)
            self.metadata = {**self.metadata, "ground_truth": GROUND_TRUTH[:2]}
        self.metadata = {**self.metadata, "control_step": control_step}
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode, from a random state or that in ``options``; observation ``[2]`` or ``[64, 64, 3]``, info.

        Raises:
            ValueError: an unknown option, or a value that is not two numbers in their range.
        """
        super().reset(seed=seed)
        given = options or {}
        check_known(given, tuple(LIMITS))
        rng = self.np_random
        angles = rng.uniform((-np.pi, -WRIST_LIMIT), (np.pi, WRIST_LIMIT))
        direction, distance = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.05, 0.20)
        target = distance * np.array([np.sin(direction), np.cos(direction)])
        self._physics.set_state(
            _pair("angles", given.get("angles", angles)), _pair("velocities", given.get("velocities", (0.0, 0.0)))
        )
        self._physics.set_target(_pair("target", given.get("target", target)), self.radius)
        return self._observe()

    def step(self, action: NDArray[Any]) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Apply the torques ``action [2]`` for one control step.

        Raises:
            ValueError: a torque that is not a number.
        """
        if np.isnan(action).any():
            raise ValueError(f"action {np.asarray(action).tolist()} holds a NaN: torques must be numbers")
        hits = self._physics.advance(action, self._steps)
        observation, info = self._observe()
        return observation, float(hits), False, False, info

    def photograph(self, angles: ArrayLike) -> NDArray[Any]:
        """An observation of the arm at ``angles [2]``: the way to get a goal. The state stays as it is."""
        before = self._physics.angles, self._physics.velocities
        self._physics.set_state(_pair("angles", angles))
        observation = self._observe()[0]
        self._physics.set_state(*before)
        return observation

    def render(self) -> NDArray[np.uint8] | None:
        """``[256, 256, 3]`` uint8, the target included, if the render mode is "rgb_array"."""
        if self.render_mode is None:
            return None
        if self._stage is None:
            physics = ReacherPhysics()
            self._stage = physics, ReacherCamera(physics.model, RENDER_SIZE, show_target=True)
        physics, camera = self._stage
        physics.set_target(self._physics.target, self.radius)
        physics.show_target()
        physics.set_state(self._physics.angles)
        return camera.photograph(physics.data)

    def close(self) -> None:
        """Give the OpenGL contexts back."""
        for camera in (self._camera, self._stage and self._stage[1]):
            if camera:
                camera.close()

    def _observe(self) -> tuple[NDArray[Any], dict[str, Any]]:
        physics = self._physics
        observation: NDArray[Any]
        if self._camera is not None:
            observation = clean = self._camera.photograph(physics.data)
        else:
            clean = physics.angles.astype(np.float32)
            observation = (clean + self.noise * self.np_random.standard_normal(2)).astype(np.float32)
        info = {
            "angles": physics.angles,
            "velocities": physics.velocities,
            "clean": clean,
            "target": physics.target.copy(),
        }
        return observation, info


def _pair(name: str, value: ArrayLike) -> NDArray[np.float64]:
    limit, unit = LIMITS[name]
    return reset_numbers(name, value, (2,), limit, "two numbers", unit, exact=True)
