"""One task of the DeepMind control suite (Tassa et al., 2018) as a Gymnasium environment."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Box
from numpy.typing import NDArray

from latentrl.envs.checks import LARGEST_PICTURE, check_number, check_rendering, check_whole
from latentrl.envs.control_suite.joints import QPOS, QVEL, coordinates_of_joints, with_values
from latentrl.envs.mujoco_camera import MuJoCoCamera, camera_number
from latentrl.envs.mujoco_engine import without_opengl

SIZE = 128
RENDER_MODES = ["rgb_array"]
LARGEST_SEED = 2**32 - 1
"""The suite's tasks draw by NumPy's older generator, which takes no larger one."""
SHORTEST = 1e-3
"""Seconds that an episode lasts at least."""


class ControlSuiteEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A task of the suite.

    Observation: the suite's, flattened in its order to one vector ``[D]`` float32. Action: the suite's, ``[Du]``
    float32 within its bounds, held for the suite's control step. The reward is the suite's. An episode is truncated at
    the suite's time limit, and terminated where the task says so.

    ``info`` holds the state of the physics, ground truth for evaluation: "qpos" (m, rad; quaternions of bodies that
    turn freely) and "qvel" (m/s, rad/s). ``metadata["coordinates"]`` says what their numbers are, as far as the types
    of the joints tell, ``metadata["control_step"]`` the seconds of a step.
    ``reset(options={"qpos": ..., "qvel": ...})`` sets all the numbers, or those of the joints that a dictionary names,
    over the state that the task has drawn; ``{"qpos": {"hinge_1": [-3.14, 3.14]}}`` draws from a range.

    Args:
        domain: of the suite, such as "cartpole".
        task: of the domain, such as "swingup".
        time_limit: seconds that an episode lasts; None: as the suite has it.
        task_seed: lets the task draw the same in every episode, joints included, where a target would else lie
            elsewhere in each and no one goal picture would fit. None: anew.
        height: of rendered pictures, in pixels.
        width: of rendered pictures, in pixels.
        camera: name or number of the model's camera; -1 is a free one that looks at everything.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: a value out of its range.
        DependencyNotInstalled: MuJoCo or dm_control are missing; when rendering, also where there is no OpenGL.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, "ground_truth": (QPOS, QVEL)}  # noqa: RUF012
    render_mode: str | None
    observation_space: Box[np.float32]
    action_space: Box[np.float32]

    def __init__(
        self,
        domain: str,
        task: str,
        time_limit: float | None = None,
        task_seed: int | None = None,
        height: int = SIZE,
        width: int = SIZE,
        camera: int | str | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_rendering(render_mode)
        for side, pixels in {"height": height, "width": width}.items():
            check_whole(side, pixels, 1, LARGEST_PICTURE, "pixels")
        if time_limit is not None:
            check_number("time_limit", time_limit, SHORTEST, math.inf, "seconds")
        if task_seed is not None:
            check_whole("task_seed", task_seed, 0, LARGEST_SEED, "as a seed")
        self._task_seed = task_seed
        self._suite = _load(domain, task, time_limit, task_seed)
        self._physics = self._suite.physics
        model = self._physics.model.ptr
        # A model without cameras of its own has the free one alone.
        chosen = min(0, model.ncam - 1) if camera is None else camera
        camera_number(model, chosen)
        self._camera = MuJoCoCamera(model, height, width, chosen) if render_mode else None
        self.render_mode = render_mode
        step = float(self._suite.control_timestep())
        self.metadata = {
            **self.metadata,
            "render_fps": round(1 / step),
            "control_step": step,
            "coordinates": [one.as_json() for one in coordinates_of_joints(model)],
        }
        action = self._suite.action_spec()
        low, high = (
            np.broadcast_to(bound, action.shape).astype(np.float32) for bound in (action.minimum, action.maximum)
        )
        self.action_space = Box(low, high, dtype=np.float32)
        self.observation_space = Box(-np.inf, np.inf, self._suite.reset().observation[_FLAT].shape, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode as the task does, but for what ``options`` sets; observation ``[D]`` and info.

        Raises:
            ValueError: an unknown option, or a value that does not fit the joints.
        """
        super().reset(seed=seed)
        given = options or {}
        if not given.keys() <= {QPOS, QVEL}:
            raise ValueError(f"reset options {sorted(given)}: only {QPOS!r} and {QVEL!r} are known")
        drawn = self._task_seed
        if drawn is None and seed is not None:
            drawn = int(self.np_random.integers(2**32))
        if drawn is not None:
            self._suite.task.random.seed(drawn)
        observation = self._suite.reset().observation[_FLAT]
        if given:
            model, data = self._physics.model.ptr, self._physics.data
            values = {
                key: with_values(model, key, getattr(data, key), given[key], self.np_random) for key in sorted(given)
            }
            for key, value in values.items():
                getattr(data, key)[:] = value
            self._physics.after_reset()
            observation = _flattened(self._suite.task.get_observation(self._physics))
        if self._camera is not None:
            self._camera.refresh()
        return observation.astype(np.float32), self._truth()

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply ``action [Du]`` for one control step."""
        said = self._suite.step(np.asarray(action, np.float64))
        over = said.last()
        terminated = bool(over and said.discount == 0.0)
        return (
            said.observation[_FLAT].astype(np.float32),
            float(said.reward),
            terminated,
            over and not terminated,
            self._truth(),
        )

    def render(self) -> NDArray[np.uint8] | None:
        """``[height, width, 3]`` uint8 of the present state, if the render mode is "rgb_array"."""
        return None if self._camera is None else self._camera.photograph(self._physics.data.ptr)

    def close(self) -> None:
        """Give the OpenGL context back."""
        if self._camera is not None:
            self._camera.close()

    def _truth(self) -> dict[str, Any]:
        return {QPOS: self._physics.data.qpos.copy(), QVEL: self._physics.data.qvel.copy()}


_FLAT = "observations"
"""The suite's name for all observations in one vector."""


def _flattened(observation: Any) -> NDArray[np.float64]:
    from dm_control.rl.control import flatten_observation

    return flatten_observation(observation)[_FLAT]


def _load(domain: str, task: str, time_limit: float | None, task_seed: int | None) -> Any:
    if find_spec("dm_control") is None:
        raise DependencyNotInstalled("the control suite needs dm_control: pip install 'latentrl[dm-control]'")
    # Its import also imports an OpenGL backend, and fails where there is none; pictures are taken without it.
    with without_opengl():
        from dm_control import suite
    given = {"time_limit": time_limit, "random": task_seed}
    known = {name: value for name, value in given.items() if value is not None}
    try:
        loaded = suite.load(domain, task, task_kwargs=known, environment_kwargs={"flat_observation": True})
    except ValueError as error:
        raise ValueError(f"domain={domain!r}, task={task!r}: {error}") from error
    # A task with terrain asks for the suite's own renderer at every reset, which is not used here.
    physics = type(loaded.physics)
    loaded.physics.__class__ = type(physics.__name__, (physics,), {"contexts": None})
    return loaded
