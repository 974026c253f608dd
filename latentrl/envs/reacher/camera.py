"""Pictures of the reacher from above, rendered fast: what they leave out tells nothing about the arm."""

from __future__ import annotations

import atexit
import weakref
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.mujoco_engine import mujoco
from latentrl.envs.opengl import make_context

SIZE = 64
FINER = 2
"""Every pixel is the mean of FINER x FINER rendered ones: a mixed pixel tells where the arm is to a fraction of one."""
OFF = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_SKYBOX)
HIDDEN_GROUP = 5
"""MuJoCo draws the groups 0 to 2 unless told otherwise."""


class ReacherCamera:
    """The suite's fixed camera, without shadows, reflections, skybox and multisampling.

    The OpenGL context is made with the first picture and belongs to the process and thread that took it.

    Args:
        model: MuJoCo's model; its visual settings and the target's visibility are changed.
        size: height and width in pixels.
        show_target: the target is no part of the state, so that observations leave it out.
    """

    def __init__(self, model: mujoco.MjModel, size: int = SIZE, show_target: bool = False) -> None:
        self.model, self.size = model, size
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = FINER * size
        target = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, "target")
        model.geom_group[target] = 0 if show_target else HIDDEN_GROUP
        self._context: Any = None

    def photograph(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """A picture ``[size, size, 3]`` uint8 of the state in ``data``.

        Raises:
            DependencyNotInstalled: no OpenGL.
        """
        if self._context is None:
            self._open()
        self._context.make_current()
        # A step leaves the bodies where they were before it: only the joints have moved on.
        mujoco.mj_kinematics(self.model, data)
        mujoco.mjv_updateScene(
            self.model, data, self._option, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._rect, self._scene, self._renderer)
        side = FINER * self.size
        fine = np.empty((side, side, 3), np.uint8)
        mujoco.mjr_readPixels(fine, None, self._rect, self._renderer)
        return _averaged(fine[::-1])

    def close(self) -> None:
        """Give the OpenGL context back; closing twice is fine."""
        if self._context is not None:
            atexit.unregister(self._at_exit)
            self._context.make_current()
            self._renderer.free()
            self._context.free()
            self._context = None

    def __del__(self) -> None:
        if hasattr(self, "_context"):
            self.close()

    def _open(self) -> None:
        self._context = make_context(FINER * self.size, FINER * self.size)
        # MuJoCo ends OpenGL when Python ends: a context that nobody closed must go first, or it complains.
        self._at_exit = partial(_close, weakref.ref(self))
        atexit.register(self._at_exit)
        self._renderer = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._scene = mujoco.MjvScene(self.model, 100)
        for flag in OFF:
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._rect = mujoco.MjrRect(0, 0, FINER * self.size, FINER * self.size)
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_CAMERA, "fixed")


def _averaged(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means over squares of FINER x FINER pixels, rounded."""
    parts = [fine[row::FINER, column::FINER].astype(np.uint16) for row in range(FINER) for column in range(FINER)]
    count = len(parts)
    return ((sum(parts[1:], parts[0]) + count // 2) // count).astype(np.uint8)


def _close(reference: weakref.ref[ReacherCamera]) -> None:
    camera = reference()
    if camera is not None:
        camera.close()
