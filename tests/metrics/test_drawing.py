"""How much of what varies a model leaves undrawn: drawings whose share is known, with noise and without."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.metrics.drawing import drawing_figures, sample_of
from latentrl.metrics.failures import LEAST_SEEN, MOST_UNDRAWN, undrawn_share
from latentrl.types import Sequences
from tests.inspection.systems import noisy, robot

COUNT, LENGTH, SIDE = 60, 20, 12
SHORT = 0.025
"""What the margin of the noise takes off a share, at most, in what follows."""
NOISES = pytest.mark.parametrize("noise", [0.0, 0.03])


def turning(seed: int) -> Tensor:
    """Angles ``[COUNT, LENGTH]`` of a thing that turns."""
    g = torch.Generator().manual_seed(seed)
    first, speed = 2 * math.pi * torch.rand(COUNT, 1, generator=g), 0.3 * torch.randn(COUNT, 1, generator=g)
    return first + speed * torch.arange(LENGTH)


def blob(angle: Tensor, aside: float = 0.0) -> Tensor:
    """Clean pictures ``[COUNT, LENGTH, SIDE, SIDE, 1]`` of a blob on a circle, ``aside`` pixels to the right."""
    x, y = SIDE / 2 + 3.5 * angle.cos() + aside, SIDE / 2 + 3.5 * angle.sin()
    at = torch.arange(SIDE) + 0.5
    across, down = ((-((at - one.unsqueeze(-1)) ** 2) / 4).exp() for one in (x, y))
    return 0.1 + 0.6 * (down.unsqueeze(-1) * across.unsqueeze(-2)).unsqueeze(-1)


def taken(clean: Tensor, noise: float) -> Sequences:
    """Photographs of it, in whole grey levels."""
    seen = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(9))
    return sequences((255 * seen).round().clamp(0, 255).to(torch.uint8))


def sequences(observations: Tensor) -> Sequences:
    count, length = observations.shape[:2]
    return Sequences(observations, torch.zeros(count, length - 1, 1))


def share(data: Sequences, drawn: Tensor) -> float:
    """NaN: it is not judged."""
    seen = data.observations.float() / (255 if data.observations.dtype == torch.uint8 else 1)
    error, spread = (float((seen - picture).square().mean()) for picture in (drawn, seen.mean((0, 1))))
    return drawing_figures(data, error, spread).get("undrawn_share", math.nan)


@NOISES
def test_exact_drawings_leave_nothing_and_the_mean_picture_all(noise: float) -> None:
    clean = blob(turning(0))
    data = taken(clean, noise)
    assert share(data, clean) == pytest.approx(0.0, abs=0.01)
    assert share(data, clean.mean((0, 1))) == pytest.approx(1.0, abs=0.001)


@NOISES
def test_of_two_things_alike_of_which_one_is_drawn_half_is_left(noise: float) -> None:
    """The second turns for itself, and is drawn where it is on average."""
    first, second = blob(turning(0)), blob(turning(1))
    data = taken(torch.cat((first, second), 2), noise)
    drawn = torch.cat((first, second.mean((0, 1)).expand_as(second)), 2)
    assert 0.5 - SHORT < share(data, drawn) < 0.51


@NOISES
@pytest.mark.parametrize("aside", [0.25, 1.0])
def test_what_is_drawn_aside_is_left_by_as_much_as_it_differs(noise: float, aside: float) -> None:
    clean, shifted = blob(turning(0)), blob(turning(0), aside)
    exact = float((clean - shifted).square().mean() / (clean - clean.mean((0, 1))).square().mean())
    assert exact - (SHORT if noise else 0.001) < share(taken(clean, noise), shifted) < exact + 0.005
    assert (exact > MOST_UNDRAWN) == (aside == 1.0)


@NOISES
def test_of_readings_that_are_half_drawn_half_is_left(noise: float) -> None:
    angle = turning(0)
    clean = torch.stack((angle.cos(), angle.sin(), turning(1).cos(), turning(1).sin()), -1)
    data = sequences(clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2)))
    half = torch.cat((clean[..., :2], clean[..., 2:].mean((0, 1)).expand_as(clean[..., 2:])), -1)
    assert share(data, clean) == pytest.approx(0.0, abs=0.01)
    assert share(data, half) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_noise_alone_is_not_judged_whatever_is_drawn_of_it(noise: float) -> None:
    still = torch.full((COUNT, LENGTH, SIDE, SIDE, 1), 0.5)
    assert math.isnan(share(taken(still, noise), still))
    readings = noise * torch.randn(COUNT, LENGTH, 4, generator=torch.Generator().manual_seed(3))
    assert math.isnan(share(sequences(readings), torch.zeros(4)))


@pytest.mark.parametrize("loud", [0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0])
@pytest.mark.parametrize("kind", ["ring", "two joints", "pictures"])
def test_what_is_drawn_exactly_is_not_warned_of_in_any_noise(kind: str, loud: float) -> None:
    """The noise has ``loud`` times the variance of what is to be seen; its estimate is short where there is much."""
    one, other = turning(0), turning(1)
    clean = {
        "ring": torch.stack((one.cos(), one.sin()), -1),
        "two joints": torch.stack((one.cos(), one.sin(), other.sin(), 0.3 * (one + other).cos()), -1),
        "pictures": 0.5 * torch.cat((blob(one), blob(other)), 2) + 0.25,
    }[kind]
    noise = (loud * float((clean - clean.mean((0, 1))).square().mean())) ** 0.5
    if kind == "pictures":
        data = taken(clean, noise)
    else:
        data = sequences(clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(5)))
    found = share(data, clean)
    assert not found > 0.7 * MOST_UNDRAWN
    if loud <= 0.5:
        assert not math.isnan(found), "there is enough to see"


@pytest.mark.parametrize("loud", [3, 6])
def test_what_is_drawn_exactly_is_not_warned_of_where_a_single_sensor_is_noisy(loud: int) -> None:
    """Half of its variance is noise, be it a velocity or the load, which is in thousands and outweighs all others."""
    data = robot()
    noise = 0.01 * data.observations.flatten(0, 1).std(0)
    noise[loud] *= 70
    seen = Sequences(noisy(data.observations, noise), data.actions)
    assert share(seen, data.observations) < 0.2 * MOST_UNDRAWN


def test_what_does_not_vary_is_not_judged() -> None:
    still = torch.full((COUNT, LENGTH, SIDE, SIDE, 1), 0.5)
    assert math.isnan(share(taken(still, 0.0), torch.ones(())))
    assert math.isnan(share(sequences(torch.ones(COUNT, LENGTH, 3)), torch.zeros(3)))


def test_too_few_observations_are_not_judged() -> None:
    data = taken(blob(turning(0)), 0.0)
    assert math.isnan(share(data[:5], torch.zeros(())))
    few = Sequences(data.observations[:, :2], data.actions[:, :1])
    assert math.isnan(share(few, torch.zeros(())))


def test_noise_is_taken_off_both() -> None:
    assert undrawn_share(0.5, 1.0, 0.0) == 0.5
    assert undrawn_share(0.4, 1.0, 0.2) == pytest.approx(0.25)
    assert undrawn_share(0.1, 1.0, 0.2) == 0.0, "overestimated noise is no less than no error"
    assert undrawn_share(3.0, 1.0, 0.0) == undrawn_share(math.nan, 1.0, 0.0) == 1.0, "worse than the mean picture"
    assert undrawn_share(1.0, 1.0, 1.0 - 0.9 * LEAST_SEEN) is None is undrawn_share(0.0, 0.0, 0.0)
    assert undrawn_share(math.nan, math.nan, 0.1) is None


def test_a_sample_is_spread_evenly_and_small_data_is_taken_whole() -> None:
    few, many = (sequences(torch.zeros(count, 20, 3)) for count in (250, 1000))
    assert len(few[sample_of(few)]) == 250 == len(many[sample_of(many)])
