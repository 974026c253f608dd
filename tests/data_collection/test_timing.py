"""The seconds between two actions, as environments say them, and which of their words it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latentrl.collect import CollectOptions, collect
from latentrl.data_collection.making import make
from latentrl.data_collection.storage import load_metadata
from latentrl.data_collection.timing import control_step_of
from tests.ball import NAMED


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize(
    ("env", "pixels", "seconds", "said_by"),
    [
        ("latentrl/Pendulum-v0", None, 0.1, "control_step"),
        ("Pendulum-v1", None, 0.05, "dt"),
        ("Pendulum-v1", 8, 0.05, "dt"),
        (NAMED, None, 0.1, "render_fps"),
    ],
)
def test_the_most_reliable_word_counts_and_held_actions_take_longer(
    env: str, pixels: int | None, seconds: float, said_by: str, repeat: int
) -> None:
    envs = make(env, {}, 2, pixels, repeat=repeat)
    found = control_step_of(envs, repeat)
    envs.close()
    assert (found.seconds, found.said_by) == (pytest.approx(seconds * repeat), said_by)


def test_data_says_who_said_it(tmp_path: Path) -> None:
    small = CollectOptions(sequences=2, test_sequences=1, length=3, num_envs=2)
    data = collect(replace(small, env=NAMED, out=tmp_path / "data", repeat=2))
    stored = load_metadata(data)
    assert (stored["control_step"], stored["control_step_from"]) == (pytest.approx(0.2), "render_fps")
