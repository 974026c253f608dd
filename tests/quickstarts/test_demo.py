"""The demo: it swings up, says what its data did not hold, and writes a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentrl.collect import collect
from latentrl.data_collection.options import CollectOptions
from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.demo import DemoOptions, demo
from latentrl.quickstarts import demo as show
from latentrl.quickstarts.never_seen import ANGLE_CELL, longest, never_seen
from latentrl.shipped.entries import entry_of


def test_a_page_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    page = demo(DemoOptions())
    said = capsys.readouterr().out
    assert page == Path("runs/demo/demo.html")
    assert {path.name for path in page.parent.iterdir()} == {"demo.html", "swing_up.gif"}
    text = page.read_text(encoding="utf-8")
    assert "data:image/gif;base64," in text and "never see?" in text and "{{" not in text
    stored = entry_of("pendulum").evaluation["outcome"]
    assert f"Of 50 episodes, as it was shipped</th><td>{stored['value']}</td>" in text
    assert not re.search(r"(src|href)=\"https?:", text), "the page loads something"
    assert re.search(r"\[4/4\] draw \.\.\. \d+\.\d s", said) and ": done" in said
    assert said.splitlines()[-1] == "next: python -m latentrl.evaluate --run zoo:pendulum"
    assert sorted(path.name for path in Path("runs").iterdir()) == ["demo"], "it writes nowhere else"


def test_the_data_is_that_of_collect(tmp_path: Path) -> None:
    """Bit for bit, of the same seed."""
    loaded = show.load(0)
    settings = json.loads(json.dumps(loaded.run.settings))
    settings["data"]["collection"].update(sequences=4, seed=3)
    again = show.record_again(replace(loaded, run=replace(loaded.run, settings=settings)))
    folder = collect(CollectOptions(out=tmp_path / "data", sequences=4, test_sequences=1, seed=3))
    data, truth = load_sequences(folder, "train"), load_ground_truth(folder, "train")
    assert torch.equal(data.observations, again.sequences.observations)
    assert torch.equal(data.actions, again.sequences.actions)
    for name, values in again.truth.items():
        np.testing.assert_array_equal(truth[name], values)


def test_what_was_never_seen_is_counted() -> None:
    """A case worked out by hand: two sequences of three states, an episode of four."""
    data = {
        "angle": np.array([[0.0, 0.1, 1.0], [np.pi, np.pi, 0.05]]),
        "velocity": np.array([[0.5, 0.5, 0.5], [-1.5, 0.5, 0.5]]),
    }
    episode = {"angle": np.array([np.pi, 0.02 - 2 * np.pi, 0.0, 0.0]), "velocity": np.array([0.6, 0.9, 0.2, 2.5])}
    found = never_seen(data, np.array([1.0, -2.0]), episode, np.array([3.0, -2.0, 2.0, -2.5]), 0.1)
    # Cells of the data: (upright, 0), (1 rad, 0), (hanging, -2), (hanging, 0).
    assert found.new.tolist() == [False, False, False, True]
    assert found.cells == pytest.approx(4 / (round(2 * np.pi / ANGLE_CELL) * 4))
    assert (found.data_speed, found.speed) == (1.5, 2.5)
    assert (found.data_torque, found.torque, found.beyond) == (2.0, 3.0, 0.5)
    assert (found.data_seconds, found.seconds) == pytest.approx((0.3, 0.4))
    assert (found.data_upright, found.upright) == pytest.approx((0.2, 0.3))
    assert found.rows()[0] == ("torque", "at most 2.0 N m", "up to 3.0; more than the data has in 50% of the steps")


@pytest.mark.parametrize(
    ("flags", "expected"), [([], 0), ([0, 0], 0), ([1, 1, 0, 1, 1, 1], 3), ([1], 1), ([0, 1, 0], 1)]
)
def test_the_longest_stretch(flags: list[int], expected: int) -> None:
    assert longest(np.array(flags, dtype=bool)) == expected
