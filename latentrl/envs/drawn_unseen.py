"""Pictures of environments that draw with pygame, where there is no screen: without its greeting and its complaints."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def draw_unseen(environment: MutableMapping[str, str] | None = None, platform: str = sys.platform) -> None:
    """Let pygame, whoever imports it later, greet nobody, and ask for no screen where there is none.

    SDL, which it draws by, looks for a window system all the same, and complains on standard error that
    ``XDG_RUNTIME_DIR`` is not set. What the user has set stays as it is.

    Args:
        environment: the process' variables if None.
        platform: as in ``sys.platform``; only Linux is without a screen so.
    """
    variables = os.environ if environment is None else environment
    variables.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if platform == "linux" and not any(variables.get(name) for name in SCREENS):
        variables.setdefault("SDL_VIDEODRIVER", "dummy")
