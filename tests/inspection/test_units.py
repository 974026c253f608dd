"""Units: readings whose whole motion is less than the error that is allowed are named, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentrl.inspection.summary import KAPPA_SHARE, inspect_sequences
from latentrl.inspection.units import advice_on_units, lost_readings
from latentrl.networks.standardisation import data_deviation, deviations_of_readings
from latentrl.training.explaining import notes
from latentrl.training.options import TrainOptions
from latentrl.training.recipes import choose
from latentrl.training.situation import measure
from latentrl.types import Sequences
from tests.inspection.systems import robot, table, wheel


def test_readings_that_vary_by_less_than_kappa_are_lost_and_those_that_stand_still_are_not() -> None:
    assert lost_readings([0.5, 0.0, 3.0, 0.9], 1.0) == [0, 3]
    assert lost_readings([1.0, 2.0], 1.0) == [] == lost_readings([], 1.0)


@pytest.mark.parametrize(
    ("deviations", "which"),
    [
        ([1.0, 9.0], "reading 0 (counted from 0) varies"),
        ([1.0, 1.0, 9.0], "readings 0 and 1 (counted from 0) vary"),
        ([1.0, 1.0, 1.0, 9.0, 1.0, 9.5, 1.0], "readings 0 to 2, 4 and 6 (counted from 0) vary"),
    ],
)
def test_they_are_named_beside_the_largest(deviations: list[float], which: str) -> None:
    (said,) = advice_on_units(deviations, 1.5)
    largest = max(range(len(deviations)), key=deviations.__getitem__)
    assert said.startswith(which) and f"reading {largest} in one {max(deviations):.2g} times as large" in said


def test_their_mean_square_is_the_deviation_of_all() -> None:
    data = robot()
    each = torch.tensor(deviations_of_readings(data))
    torch.testing.assert_close(each, data.observations.flatten(0, 1).std(0, correction=0), rtol=1e-3, atol=0)
    assert float(each.square().mean().sqrt()) == pytest.approx(data_deviation(data), rel=1e-3)
    assert deviations_of_readings(table()) == []


def test_inspect_and_train_say_it_of_newtons_beside_radians_and_not_of_like_units() -> None:
    data = robot()
    like = Sequences(data.observations / torch.tensor(deviations_of_readings(data)), data.actions)
    for one, said in ((data, 1), (like, 0), (wheel(), 0)):
        assert sum("in one" in line for line in inspect_sequences(one).advice) == said
        found = measure(TrainOptions(data=Path("robot"), progress=False, device="cpu"), one)
        assert found.kappa == pytest.approx(KAPPA_SHARE * found.deviation)
        assert sum("in one" in line for line in notes(found, choose(found))) == said
