"""Readings that a model would not learn are named: lost beside others, outlying, too far from zero."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentrl.inspection.readings import Readings, advice_on_readings, lost_readings, measure_readings
from latentrl.inspection.summary import KAPPA_SHARE, inspect_sequences
from latentrl.networks.standardisation import data_deviation
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
    nothing = [0.0] * len(deviations)
    (said,) = advice_on_readings(Readings(deviations, nothing, nothing), 1.5)
    largest = max(range(len(deviations)), key=deviations.__getitem__)
    assert said.startswith(which) and f"reading {largest} in one {max(deviations):.2g} times as large" in said


def test_their_mean_square_is_the_deviation_of_all() -> None:
    data = robot()
    each = torch.tensor(measure_readings(data).deviations)
    torch.testing.assert_close(each, data.observations.flatten(0, 1).std(0, correction=0), rtol=1e-3, atol=0)
    assert float(each.square().mean().sqrt()) == pytest.approx(data_deviation(data), rel=1e-3)
    assert measure_readings(table()) == Readings([], [], [])


def test_newtons_beside_radians_are_counted_by_their_own_deviations_or_it_is_said() -> None:
    data = robot()
    like = Sequences(data.observations / torch.tensor(measure_readings(data).deviations), data.actions)
    for one, differ in ((data, 1), (like, 0), (wheel(), 0)):
        assert not [line for line in inspect_sequences(one).advice if "in one" in line]
        # Each is counted by its own deviation, unless that is forbidden.
        for standardise, said in ((None, 0), (False, differ)):
            options = TrainOptions(data=Path("robot"), standardise=standardise, progress=False, device="cpu")
            found = measure(options, one)
            assert found.kappa == pytest.approx(KAPPA_SHARE * found.deviation)
            assert found.each_reading == bool(differ and standardise is None)
            assert sum("in one" in line for line in notes(found, choose(found))) == said


def test_outliers_that_make_up_half_of_the_variance_are_named() -> None:
    data = robot()
    assert max(measure_readings(data).outlying) < 0.2
    normal = torch.randn(100, 50, 1, generator=torch.Generator().manual_seed(1))
    assert measure_readings(Sequences(normal, data.actions)).outlying == pytest.approx([0.0845], rel=0.15)
    wild = data.observations.clone()
    wild[::10, 7, 3] += 100
    (said,) = [line for line in inspect_sequences(Sequences(wild, data.actions)).advice if "outliers" in line]
    assert said.startswith("reading 3 (counted from 0): 1% of the frames have 9")


def test_motion_that_single_precision_rounds_away_is_named() -> None:
    """At a million numbers are a sixteenth apart."""
    data = wheel()
    offset = torch.tensor([0.0, 1e6])
    found = measure_readings(Sequences(data.observations + offset, data.actions))
    assert found.steps[1] == 0.0625 and found.steps[0] < 1e-6
    (said,) = [line for line in advice_on_readings(found, 0.1) if "offset" in line]
    assert said.startswith("reading 1 (counted from 0): so far from zero")
    assert not advice_on_readings(measure_readings(data), 0.1)


def test_what_stands_still_is_not_spoken_of() -> None:
    still = Sequences(torch.full((20, 10, 2), 3e6), torch.zeros(20, 9, 1))
    assert not advice_on_readings(measure_readings(still), 0.1)
