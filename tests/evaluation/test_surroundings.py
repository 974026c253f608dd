"""Whose environment is made."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from latentrl.envs.declaration import Declaration
from latentrl.evaluation.surroundings import look_at, recorded_with
from latentrl.support.errors import UserError
from tests.ball import NAMED, STEP

BALL = {"observation_shape": (2,), "observation_dtype": "float32", "action_size": 2}
"""What a model of the ball's sensors sees and does; the ball says of a step that it takes 0.1 s."""


def test_a_module_is_only_imported_for_who_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"env_id": "nobodys:Theirs-v0", "env_kwargs": {"size": 3}}
    with pytest.raises(UserError, match=r"give --env nobodys:Theirs-v0$"):
        recorded_with(stored, None, None)
    assert recorded_with(stored, "nobodys:Theirs-v0", None) == stored
    # A script that has imported it itself has said so.
    monkeypatch.setitem(sys.modules, "nobodys", sys)
    assert recorded_with(stored, None, None) == stored


def test_recordings_last_as_long_as_they_last_whatever_repeat_fills_a_step() -> None:
    recordings = {"env_id": None, "control_step": 0.2, "repeat": 1}
    assert recorded_with(recordings, NAMED, 4) == recordings | {"env_id": NAMED, "env_kwargs": {}, "repeat": 4}
    own = {"env_id": NAMED, "control_step": 0.2, "repeat": 2}
    assert recorded_with(own, NAMED, 4) == own | {"control_step": 0.4, "repeat": 4}


@pytest.mark.parametrize(
    ("stored", "repeat", "said"),
    [
        (STEP, None, None),
        (1.04 * STEP, None, None),
        (2 * STEP, 2, None),
        (2 * STEP, None, r"data takes 0\.2 s, one of .*Ball-v0 0\.1 s, as its render_fps says: .*; give --repeat 2$"),
        (STEP, 3, r"with --repeat 3 0\.3 s, .*; give --repeat 1$"),
        (0.5 * STEP, None, r"data takes 0\.05 s, .*; give one whose steps, .* last as long$"),
        (1.5 * STEP, None, r"data takes 0\.15 s, .*; give one whose steps, .* last as long$"),
        (None, 3, None),
    ],
)
def test_another_clock_than_that_of_the_recordings_is_said_with_the_cure(
    stored: float | None, repeat: int | None, said: str | None
) -> None:
    recordings: dict[str, Any] = {"env_id": None, "control_step": stored, "repeat": 1}
    found = look_at(recorded_with(recordings, NAMED, repeat), BALL, recordings=True)
    assert found.declared == Declaration()
    # Those of the recordings where they are known, and of the environment where they are not.
    assert found.control_step == pytest.approx(stored or 0.3)
    assert [bool(re.search(said or "^$", doubt)) for doubt in found.doubts] == [True] * bool(said)
