"""MuJoCo, imported so that a missing one is reported in one line and a misconfigured one does no harm.

``import mujoco`` also imports the OpenGL backend that ``MUJOCO_GL`` names, and fails where that one is missing or
misspelt. Moving a body needs no OpenGL, and :mod:`latentrl.envs.opengl` finds a backend for pictures by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from gymnasium.error import DependencyNotInstalled

__all__ = ["mujoco"]

if find_spec("mujoco") is None:
    raise DependencyNotInstalled("the environment needs MuJoCo: pip install 'latentrl[reacher]'")


@contextmanager
def without_opengl() -> Iterator[None]:
    """What is imported within the block looks for no OpenGL backend of its own."""
    wanted = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        yield
    finally:
        if wanted is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = wanted


try:
    import mujoco
# A missing library makes PyOpenGL raise almost anything.
except Exception:
    if "MUJOCO_GL" not in os.environ:
        raise
    with without_opengl():
        import mujoco
