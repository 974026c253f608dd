"""Pictures where there is no screen."""

from __future__ import annotations

import pytest

from latentrl.envs.drawn_unseen import draw_unseen

HIDDEN = {"PYGAME_HIDE_SUPPORT_PROMPT": "1"}


@pytest.mark.parametrize(
    ("before", "platform", "added"),
    [
        ({}, "linux", {**HIDDEN, "SDL_VIDEODRIVER": "dummy"}),
        ({"DISPLAY": ""}, "linux", {**HIDDEN, "SDL_VIDEODRIVER": "dummy"}),
        ({"DISPLAY": ":0"}, "linux", HIDDEN),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", HIDDEN),
        ({"SDL_VIDEODRIVER": "x11", "PYGAME_HIDE_SUPPORT_PROMPT": ""}, "linux", {}),
        ({}, "darwin", HIDDEN),
    ],
    ids=["none", "empty", "x", "wayland", "given", "mac"],
)
def test_only_what_nobody_has_set_is_set_and_no_screen_is_taken_away(
    before: dict[str, str], platform: str, added: dict[str, str]
) -> None:
    variables = dict(before)
    draw_unseen(variables, platform)
    assert variables == before | added
