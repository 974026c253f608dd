"""An off-screen OpenGL context for MuJoCo on any machine: with a GPU, without one, without a display.

MuJoCo picks its backend once, when it is imported, from ``MUJOCO_GL``, and without that variable asks for a window
system. Here the backends are tried in turn when the first picture is wanted, and ``MUJOCO_GL`` still has the last word.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from gymnasium.error import DependencyNotInstalled

from latentrl.support.errors import message_of

BACKENDS: Mapping[str, tuple[str, ...]] = {
    "linux": ("egl", "osmesa", "glfw"),
    "darwin": ("cgl", "glfw"),
    "win32": ("glfw",),
}
CURE = (
    "OpenGL: no off-screen backend works ({tried}); {cure}install one, on Debian or Ubuntu: "
    "apt-get install libegl1 libgl1 libosmesa6, or observe sensors in place of pictures"
)


def make_context(width: int, height: int) -> Any:
    """A current OpenGL context for pictures of at most this size; its ``free()`` gives it back.

    Raises:
        DependencyNotInstalled: none of the backends works; says in one line what to install.
    """
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    chosen = wanted in ("egl", "osmesa", "glfw", "cgl")
    backends = (wanted,) if chosen else BACKENDS.get(sys.platform, ("glfw",))
    failures = []
    for backend in backends:
        try:
            if backend == "glfw" and sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
                raise OSError("no display")
            context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
            context.make_current()
            return context
        # The backends share no base class of errors: missing libraries, devices and displays all look different.
        except Exception as error:
            failures.append(f"{backend}: {message_of(error)[:80] or type(error).__name__}")
    cure = f"unset MUJOCO_GL={wanted} so that others are tried, or " if chosen else ""
    raise DependencyNotInstalled(CURE.format(tried="; ".join(failures), cure=cure))
