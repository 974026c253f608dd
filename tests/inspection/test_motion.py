"""Motion: periods that are known, and what is said about steps and lengths."""

from __future__ import annotations

import math
import re

import pytest
import torch

from latentrl.inspection.frames import look_at
from latentrl.inspection.motion import (
    Motion,
    advice_on_motion,
    horizon_for,
    measure_motion,
    slowest_period,
    words_on_horizon,
)
from latentrl.inspection.sizes import estimate_sizes
from latentrl.types import Sequences
from tests.inspection.systems import noisy, spring, turned


def swings(period: float, length: int, count: int = 500) -> torch.Tensor:
    """Swings ``[N, T, 1]`` of one period and all phases."""
    phase = 2 * math.pi * torch.rand(count, 1, generator=torch.Generator().manual_seed(0))
    return (phase + 2 * math.pi * torch.arange(length) / period).cos().unsqueeze(-1)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("period", [8.0, 13.0, 25.0])
def test_a_swing_has_its_period(period: float, noise: float) -> None:
    found, seen = slowest_period(noisy(swings(period, 30), noise), noise)
    assert seen
    assert found == pytest.approx(period, rel=0.06)


def test_the_slowest_coordinate_counts() -> None:
    both = torch.cat((swings(8, 30), swings(25, 30)), -1)
    assert slowest_period(both)[0] == pytest.approx(25, rel=0.06)


@pytest.mark.parametrize("period", [8.0, 13.0])
def test_swings_about_places_of_their_own_have_their_period(period: float) -> None:
    # Within a sequence no two places differ as much as those of two sequences do.
    places = torch.randn(500, 1, 1, generator=torch.Generator().manual_seed(1))
    found, seen = slowest_period(swings(period, 15) + places)
    assert seen
    assert found == pytest.approx(period, rel=0.15)


def test_a_drift_has_no_period() -> None:
    generator = torch.Generator().manual_seed(0)
    steps, places = torch.randn(500, 15, 1, generator=generator), torch.randn(500, 1, 1, generator=generator)
    found, seen = slowest_period(steps.cumsum(1) + 20 * places)
    assert not seen
    assert found > 4 * 14


def test_what_is_slower_than_a_sequence_is_said_to_be_so() -> None:
    found, seen = slowest_period(swings(200, 20))
    assert not seen
    assert 100 < found < 400


def test_a_recorded_spring_has_its_period_and_its_speed() -> None:
    data = spring()
    frames = look_at(data)
    motion = measure_motion(frames, estimate_sizes(frames)[1])
    assert motion.period == pytest.approx(20, rel=0.1)
    assert motion.mean_period == pytest.approx(20, rel=0.05)
    steps = data.observations[:, 1:] - data.observations[:, :-1]
    assert motion.step == pytest.approx(float(steps.square().mean().sqrt()), rel=0.02)


@pytest.mark.parametrize(
    ("motion", "length", "said"),
    [
        (Motion(0.1, 0.0, 20.0, True), 20, None),
        (Motion(0.1, 0.0, 80.0, True), 40, "hold each action 4 times as long .*--repeat 12, or import --every 12"),
        (Motion(0.1, 0.0, 5.0, True), 20, "steps are large"),
        (Motion(0.1, 0.0, 25.0, True), 12, "--length 25"),
        (Motion(0.1, 0.0, 500.0, False), 20, "no sequence of 20 .* 2 to 4 times as long .*--repeat 6 to 12"),
        (Motion(0.1, 0.0, 80.0, True, 25.0), 40, "hold each action 2 times as long .*--repeat 6, or import --every 6"),
        (Motion(0.1, 0.0, 80.0, True, 17.0), 40, None),
        (Motion(0.1, 0.0, 500.0, False, 193.0), 20, "2 to 4 times as long .*--repeat 6 to 12"),
        (Motion(0.1, 0.0, 500.0, False, 49.0), 20, "hold each action 2 times as long .*--repeat 6, or import --every"),
        (Motion(0.1, 0.0, 85.0, False, 17.0), 20, "motion: give longer ones, unless what counts is over sooner$"),
        (Motion(0.1, 0.7, 20.0, True), 20, "70%"),
        (Motion(0.001, 0.0, 20.0, True), 20, "less .* than the noise"),
    ],
)
def test_advice_is_given_where_something_is_amiss(motion: Motion, length: int, said: str | None) -> None:
    found = advice_on_motion(motion, 0.01, length, held=3)
    if said is None:
        assert found == []
    else:
        (line,) = found
        assert re.search(said, line)


def test_a_wheel_about_no_place_is_not_slowed_down_for_ever() -> None:
    """Pushed at random against friction, in a sine and a cosine: each advice is followed, and soon there is none."""
    generator = torch.Generator().manual_seed(0)
    pushes = torch.randn(200, 2400, generator=generator)
    speed, angle = [torch.zeros(200)], [torch.zeros(200)]
    for push in pushes.unbind(1):
        speed.append(0.97 * speed[-1] + 0.01 * push)
        angle.append(angle[-1] + speed[-1])
    seen = turned(torch.stack(angle, 1).unsqueeze(-1))
    held, advised = 1, True
    while advised:
        observations = seen[:, : 30 * held : held]
        motion = measure_motion(look_at(Sequences(observations, pushes[:, :29].unsqueeze(-1))), None)
        found = [re.search(r"hold each action (\d)", line) for line in advice_on_motion(motion, 0.0, 30, held)]
        advised = any(found)
        held *= 2 if advised else 1
    assert 1 < held <= 32
    assert motion.mean_period is not None and motion.mean_period > 10


def test_pictures_have_the_mean_period_of_what_moves_in_them() -> None:
    """A bright column that swings from side to side within 12 pixels, once in 16 steps."""
    place = 6 + 4 * swings(16, 20, count=200)
    columns = torch.arange(12).view(1, 1, 1, 12)
    pictures = (-(columns - place.unsqueeze(-1)).square() / 4).exp().expand(-1, -1, 12, -1)
    data = Sequences((255 * pictures).byte().unsqueeze(-1), torch.zeros(200, 19, 1))
    # The second leading coordinate is the square of the place, at twice the frequency.
    mean = math.sqrt((1 + 4) / 2)
    for count, period in ((1, 16), (2, 16 / mean)):
        assert measure_motion(look_at(data), None, count).mean_period == pytest.approx(period, rel=0.1)


@pytest.mark.parametrize(
    ("period", "horizon"), [(4.5, 20), (15.0, 20), (20.0, 20), (20.1, 30), (28.0, 30), (40.0, 40), (320.0, 40)]
)
def test_a_horizon_is_a_period_in_tens_between_twenty_and_forty(period: float, horizon: int) -> None:
    assert horizon_for(period) == horizon


@pytest.mark.parametrize(
    ("period", "step", "said"),
    [
        (28.4, 0.05, r"takes about 28 steps \(1.4 s\): a planner's --horizon 30 suits it$"),
        (18.0, None, r"takes about 18 steps: a planner's --horizon 20 suits it$"),
        (320.0, 0.08, r"320 steps \(26 s\): far more .* else hold actions for longer$"),
        (5.2, 0.1, r"about 5 steps \(0.52 s\): frames are too rare to plan by: observe more often"),
        (None, 0.1, "no mean period of the motion can be told: .* nothing follows"),
    ],
)
def test_what_follows_for_a_planner_is_said_in_one_line(period: float | None, step: float | None, said: str) -> None:
    found = words_on_horizon(period, step)
    assert re.search(said, found) and "\n" not in found
