"""What a run keeps of how far its readings reach, and what is said of readings beyond it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.runs.reach import REACH, Reach, kept_reach, reach_of
from latentrl.types import Sequences

READINGS = torch.tensor([[[0.0, -2.0, 5.0], [1.0, 2.0, 5.0]], [[0.5, 0.0, 5.0], [0.2, 1.0, 5.0]]])


def sequences(observations: Tensor, seen: Tensor | None = None) -> Sequences:
    return Sequences(observations, torch.zeros(2, 1, 1), seen=seen)


def outside(rows: list[list[float]], room: float = 0.1) -> list[str]:
    reach = kept_reach({REACH: reach_of(sequences(READINGS))})
    assert reach is not None
    return reach.with_room(room).outside(np.array(rows, np.float32))


def test_it_is_the_least_and_the_largest_of_what_arrived() -> None:
    assert reach_of(sequences(READINGS)) == {"least": [0.0, -2.0, 5.0], "largest": [1.0, 2.0, 5.0]}
    seen = torch.tensor([[False, True], [True, True]])
    assert reach_of(sequences(READINGS, seen)) == {"least": pytest.approx([0.2, 0.0, 5.0]), "largest": [1.0, 2.0, 5.0]}
    assert reach_of(sequences(READINGS, torch.zeros(2, 2, dtype=torch.bool))) is None
    pictures = torch.zeros(2, 2, 4, 4, 1, dtype=torch.uint8)
    assert reach_of(sequences(pictures)) is None


def test_readings_beyond_it_are_named_with_what_the_data_has() -> None:
    assert not outside([[0.5, 0.0, 5.0], [1.09, -2.3, 5.0]]), "a tenth of its own reach is near"
    assert outside([[0.5, 0.0, 5.0], [-0.2, 2.5, 5.0]]) == [
        "reading 0 is -0.2, and the data's reach from 0 to 1",
        "reading 1 is 2.5, and the data's reach from -2 to 2",
    ]
    assert outside([[500.0, 0.0, 5.0], [-3.0, 0.0, 5.0]]) == ["reading 0 is 500, and the data's reach from 0 to 1"], (
        "the farthest of several"
    )
    assert not outside([[0.5, 0.0, 7.0]]), "what never varied tells nothing"
    assert not outside([[9.0, 9.0]]), "other readings than those of the run"
    reach = kept_reach({REACH: reach_of(sequences(READINGS))})
    assert reach is not None and not reach.with_room(0.0).outside(np.zeros((0, 3), np.float32)), "where nothing arrived"


def test_what_varies_by_rounding_alone_is_no_yardstick() -> None:
    rounded = np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1))
    reach = Reach(*(np.array([one], np.float64) for one in rounded))
    assert not reach.with_room(1.0).outside(np.array([[0.1001]]))


@pytest.mark.parametrize(("place", "room", "off"), [(3.9, 1.0, 0), (4.1, 1.0, 1), (-2.1, 1.0, 1), (2.1, 0.0, 1)])
def test_there_is_as_much_room_as_is_asked_for(place: float, room: float, off: int) -> None:
    reach = Reach(np.array([0.0, 5.0]), np.array([2.0, 5.0]))
    given: NDArray[np.float64] = np.array([[place, 9.0]])
    limits = reach.with_room(room)
    assert len(limits.outside(given)) == off
    assert bool(((given < limits.low) | (given > limits.high)).any()) == bool(off)


def test_pictures_have_none_whatever_their_dtype() -> None:
    assert reach_of(sequences(torch.zeros(2, 2, 4, 4, 1))) is None


@pytest.mark.parametrize(
    "reach",
    [None, 3, {"least": [0.0]}, {"least": [0.0], "largest": [1.0, 2.0]}, {"least": ["0"], "largest": [float("nan")]}],
)
def test_runs_that_keep_nothing_of_the_kind_say_nothing(reach: object) -> None:
    assert kept_reach({REACH: reach}) is None
    assert kept_reach({}) is None
