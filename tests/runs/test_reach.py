"""What a run keeps of how far its readings reach, and what is said of readings beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentrl.runs.folder import SETTINGS
from latentrl.runs.reach import REACH, beyond, outside, reach_of
from latentrl.support.files import write_json
from latentrl.types import Sequences

READINGS = torch.tensor([[[0.0, -2.0, 5.0], [1.0, 2.0, 5.0]], [[0.5, 0.0, 5.0], [0.2, 1.0, 5.0]]])


def sequences(observations: Tensor, seen: Tensor | None = None) -> Sequences:
    return Sequences(observations, torch.zeros(2, 1, 1), seen=seen)


def run(folder: Path, reach: object) -> Path:
    write_json(folder / SETTINGS, {} if reach is None else {REACH: reach})
    return folder


def test_it_is_the_least_and_the_largest_of_what_arrived() -> None:
    assert reach_of(sequences(READINGS)) == {"least": [0.0, -2.0, 5.0], "largest": [1.0, 2.0, 5.0]}
    seen = torch.tensor([[False, True], [True, True]])
    assert reach_of(sequences(READINGS, seen)) == {"least": pytest.approx([0.2, 0.0, 5.0]), "largest": [1.0, 2.0, 5.0]}
    assert reach_of(sequences(READINGS, torch.zeros(2, 2, dtype=torch.bool))) is None
    pictures = torch.zeros(2, 2, 4, 4, 1, dtype=torch.uint8)
    assert reach_of(sequences(pictures)) is None


def test_readings_beyond_it_are_named_with_what_the_data_has(tmp_path: Path) -> None:
    folder = run(tmp_path, reach_of(sequences(READINGS)))
    assert not beyond(torch.tensor([[0.5, 0.0, 5.0], [1.09, -2.3, 5.0]]), folder), "a tenth of its own reach is near"
    assert beyond(torch.tensor([[0.5, 0.0, 5.0], [-0.2, 2.5, 5.0]]), folder) == [
        "reading 0 is -0.2, and the data's reach from 0 to 1",
        "reading 1 is 2.5, and the data's reach from -2 to 2",
    ]
    assert beyond(torch.tensor([[500.0, 0.0, 5.0], [-3.0, 0.0, 5.0]]), folder) == [
        "reading 0 is 500, and the data's reach from 0 to 1"
    ], "the farthest of several"
    assert not beyond(torch.tensor([[0.5, 0.0, 7.0]]), folder), "what never varied tells nothing"
    assert not beyond(torch.tensor([[9.0, 9.0]]), folder), "other readings than those of the run"


@pytest.mark.parametrize(
    "reach",
    [None, 3, {"least": [0.0]}, {"least": [0.0], "largest": [1.0, 2.0]}, {"least": ["0"], "largest": [float("nan")]}],
)
def test_runs_that_keep_nothing_of_the_kind_say_nothing(tmp_path: Path, reach: object) -> None:
    assert not beyond(torch.tensor([[9.0]]), run(tmp_path, reach))
    assert not beyond(torch.tensor([[9.0]]), tmp_path / "no run")


def test_there_is_as_much_room_as_is_asked_for() -> None:
    reach = torch.tensor([[0.0, 5.0], [2.0, 5.0]], dtype=torch.float64)
    for place, room, off in ((3.9, 1.0, False), (4.1, 1.0, True), (-2.1, 1.0, True), (2.1, 0.0, True)):
        assert bool(outside(torch.tensor([[place, 9.0]]), reach, room)) is off
