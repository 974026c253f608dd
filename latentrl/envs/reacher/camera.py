"""Pictures of the reacher from above, rendered fast: what they leave out tells nothing about the arm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.mujoco_camera import MuJoCoCamera
from latentrl.envs.mujoco_engine import mujoco

SIZE = 64
FINER = 2
HIDDEN_GROUP = 5
"""MuJoCo draws the groups 0 to 2 unless told otherwise."""


class ReacherCamera(MuJoCoCamera):
    """The suite's fixed camera.

    Args:
        model: MuJoCo's model; its visual settings and the target's visibility are changed.
        size: height and width in pixels.
        show_target: the target is no part of the state, so that observations leave it out.
    """

    def __init__(self, model: mujoco.MjModel, size: int = SIZE, show_target: bool = False) -> None:
        super().__init__(model, size, size, "fixed", FINER)
        self.size = size
        target = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, "target")
        model.geom_group[target] = 0 if show_target else HIDDEN_GROUP

    def photograph(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """A picture ``[size, size, 3]`` uint8 of the state in ``data``.

        Raises:
            DependencyNotInstalled: no OpenGL.
        """
        # A step leaves the bodies where they were before it: only the joints have moved on.
        mujoco.mj_kinematics(self.model, data)
        return super().photograph(data)
