"""The arm of the DeepMind control suite's reacher: two links in a plane, driven by two motors (Tassa et al., 2018).

The model file is the one that ``dm_control`` ships; MuJoCo moves it. ``dm_control`` itself is never imported: its
import chooses an OpenGL backend, which observing joint angles does not need.
"""

from __future__ import annotations

from copy import copy
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import ArrayLike

from latentrl.envs.mujoco_engine import mujoco
from latentrl.envs.reacher.geometry import Floats, finger_position

PHYSICS_STEP = 0.02
"""Seconds; the suite's, and also its control step."""
TARGET_RADIUS = {"easy": 0.05, "hard": 0.015}
FINGER_RADIUS = 0.01


def load_model() -> mujoco.MjModel:
    """The suite's reacher, compiled; each caller's own, for some change it.

    Raises:
        DependencyNotInstalled: ``dm_control`` is not there.
    """
    found = find_spec("dm_control")
    if found is None or not found.submodule_search_locations:
        raise DependencyNotInstalled("the reacher's model file comes with dm_control: pip install 'latentrl[reacher]'")
    return copy(_compiled(Path(found.submodule_search_locations[0]) / "suite"))


@cache
def _compiled(suite: Path) -> mujoco.MjModel:
    """Read once in a process: it takes fifteen times as long as a copy."""
    common = {f"./common/{path.name}": path.read_bytes() for path in (suite / "common").glob("*.xml")}
    return mujoco.MjModel.from_xml_string((suite / "reacher.xml").read_text(), common)


class ReacherPhysics:
    """One arm, its state and its target.

    Args:
        model: MuJoCo's model, for arms that share one: most of its megabytes are textures. A model of its own if None.

    Attributes:
        model: MuJoCo's model; the target in it is geometry without mass and touches nothing.
        data: MuJoCo's state.
        target: its centre, ``[2]`` metres.
        radius: the target's, in metres.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    target: Floats
    radius: float

    def __init__(self, model: mujoco.MjModel | None = None) -> None:
        self.model = load_model() if model is None else model
        self.data = mujoco.MjData(self.model)
        self.target, self.radius = np.zeros(2), TARGET_RADIUS["easy"]

    @property
    def angles(self) -> Floats:
        """Shoulder (unwrapped) and wrist, ``[2]`` rad."""
        return self.data.qpos.copy()

    @property
    def velocities(self) -> Floats:
        """Joint velocities of shoulder and wrist, ``[2]`` rad/s."""
        return self.data.qvel.copy()

    @property
    def finger(self) -> Floats:
        """Position of the finger's centre, ``[2]`` metres."""
        return finger_position(self.data.qpos)

    def set_state(self, angles: ArrayLike, velocities: ArrayLike = (0.0, 0.0)) -> None:
        """Put the arm somewhere; time starts again."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = angles
        self.data.qvel[:] = velocities
        mujoco.mj_forward(self.model, self.data)

    def set_target(self, position: ArrayLike, radius: float) -> None:
        """Put the target at ``position [2]`` metres; only scores and :meth:`show_target` know of it."""
        self.target, self.radius = np.array(position, dtype=np.float64), radius
        # A second solve changes the wrist's limit force in its last digit, with which data were recorded.
        mujoco.mj_forward(self.model, self.data)

    def show_target(self) -> None:
        """Move the model's target to where this arm's is, for pictures that show it."""
        geometry = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_GEOM, "target")
        self.model.geom_pos[geometry, :2] = self.target
        self.model.geom_size[geometry, 0] = self.radius
        mujoco.mj_forward(self.model, self.data)

    @property
    def on_target(self) -> bool:
        """Whether finger and target touch: the suite's reward."""
        return bool(np.linalg.norm(self.finger - self.target) <= self.radius + FINGER_RADIUS)

    def advance(self, action: ArrayLike, steps: int) -> int:
        """Apply ``action [2]`` in [-1, 1] for ``steps`` physics steps; on how many of them the finger was on target."""
        self.data.ctrl[:] = np.clip(action, -1.0, 1.0)
        hits = 0
        for _ in range(steps):
            mujoco.mj_step(self.model, self.data)
            hits += self.on_target
        return hits
