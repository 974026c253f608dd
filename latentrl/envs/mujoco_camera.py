"""Pictures of a MuJoCo scene, rendered fast: without shadows, reflections, skybox and multisampling."""

from __future__ import annotations

import atexit
import weakref
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.envs.mujoco_engine import mujoco
from latentrl.envs.opengl import make_context

OFF = (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION, mujoco.mjtRndFlag.mjRND_SKYBOX)
FREE = -1
"""The camera that is no part of the model: it looks at all of it."""
LEAST_GEOMS = 100


class MuJoCoCamera:
    """A camera of a model.

    The OpenGL context is made with the first picture and belongs to the process and thread that took it.

    Args:
        model: MuJoCo's model; its visual settings are changed.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        camera: name or number of one of the model's; -1 is a free one that looks at everything.
        finer: every pixel is the mean of ``finer`` x ``finer`` rendered ones: a mixed pixel tells where an edge is to
            a fraction of one.

    Raises:
        ValueError: no pixels, or the model has no such camera.
    """

    model: mujoco.MjModel
    height: int
    width: int
    finer: int

    def __init__(self, model: mujoco.MjModel, height: int, width: int, camera: str | int = 0, finer: int = 1) -> None:
        if min(height, width) < 1:
            raise ValueError(f"height={height!r}, width={width!r}: give a number of pixels, one or more")
        self.model, self.height, self.width, self.finer = model, height, width, finer
        self._number = camera_number(model, camera)
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 0
        model.vis.global_.offheight, model.vis.global_.offwidth = finer * height, finer * width
        self._context: Any = None

    def photograph(self, data: mujoco.MjData) -> NDArray[np.uint8]:
        """A picture ``[height, width, 3]`` uint8 of the bodies where ``data`` has them.

        Raises:
            DependencyNotInstalled: no OpenGL.
        """
        if self._context is None:
            self._open()
        self._context.make_current()
        mujoco.mjv_updateScene(
            self.model, data, self._option, None, self._view, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        mujoco.mjr_render(self._rect, self._scene, self._renderer)
        fine = np.empty((self.finer * self.height, self.finer * self.width, 3), np.uint8)
        mujoco.mjr_readPixels(fine, None, self._rect, self._renderer)
        return _averaged(fine[::-1], self.finer)

    def refresh(self) -> None:
        """Take over terrain that has changed in the model since the first picture."""
        if self._context is not None and self.model.nhfield:
            self._context.make_current()
            for number in range(self.model.nhfield):
                mujoco.mjr_uploadHField(self.model, self._renderer, number)

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
        height, width = self.finer * self.height, self.finer * self.width
        self._context = make_context(width, height)
        # MuJoCo ends OpenGL when Python ends: a context that nobody closed must go first, or it complains.
        self._at_exit = partial(_close, weakref.ref(self))
        atexit.register(self._at_exit)
        self._renderer = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._renderer)
        self._scene = mujoco.MjvScene(self.model, max(LEAST_GEOMS, 2 * self.model.ngeom))
        for flag in OFF:
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._view = mujoco.MjvCamera()
        if self._number == FREE:
            mujoco.mjv_defaultFreeCamera(self.model, self._view)
        else:
            self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._view.fixedcamid = self._number


def camera_number(model: mujoco.MjModel, camera: str | int) -> int:
    """The number of a model's camera, by its name or number; -1 is the free one.

    Raises:
        ValueError: there is none; says which there are.
    """
    names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_CAMERA, number) for number in range(model.ncam)]
    if isinstance(camera, str) and camera in names:
        return names.index(camera)
    if not isinstance(camera, str) and FREE <= camera < model.ncam:
        # A model without cameras has the free one alone.
        return camera
    listed = ", ".join(f"{number} ({name})" if name else str(number) for number, name in enumerate(names))
    raise ValueError(f"camera={camera!r}: choose one of -1 (free){', ' if listed else ''}{listed}")


def _averaged(fine: NDArray[np.uint8], finer: int) -> NDArray[np.uint8]:
    """Means over squares of ``finer`` x ``finer`` pixels, rounded."""
    if finer == 1:
        return np.ascontiguousarray(fine)
    parts = [fine[row::finer, column::finer].astype(np.uint16) for row in range(finer) for column in range(finer)]
    count = len(parts)
    return ((sum(parts[1:], parts[0]) + count // 2) // count).astype(np.uint8)


def _close(reference: weakref.ref[MuJoCoCamera]) -> None:
    camera = reference()
    if camera is not None:
        camera.close()
