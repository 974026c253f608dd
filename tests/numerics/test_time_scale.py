"""The time scale of motion against sine waves, processes whose rate of crossings is known, and what has none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.numerics.time_scale import motion_period


def waves(period: float, length: int = 20, count: int = 4000, seed: int = 0) -> Tensor:
    """Sine waves ``[N, T, 1]`` of random phases."""
    phase = 2 * math.pi * torch.rand(count, 1, generator=torch.Generator().manual_seed(seed))
    return (phase + 2 * math.pi * torch.arange(length) / period).sin().unsqueeze(-1)


def noise(like: Tensor, seed: int = 1) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("period", [5.0, 6.0, 8.0, 18.0, 28.0])
def test_a_sine_wave_has_its_period_with_noise_of_any_size(period: float, deviation: float) -> None:
    track = waves(period)
    found = motion_period(track + deviation * noise(track))
    assert found == pytest.approx(period, rel=0.02 if deviation < 0.2 else 0.06)


def test_a_slow_wave_is_told_by_a_short_part_of_it() -> None:
    assert motion_period(waves(320.0, length=10)) == pytest.approx(320.0, rel=0.02)


def test_three_observations_are_enough() -> None:
    assert motion_period(waves(18.0, length=3)) == pytest.approx(18.0, rel=0.02)
    assert motion_period(waves(18.0, length=2)) is None


def test_a_mixture_has_the_root_mean_square_of_its_frequencies() -> None:
    slow, fast = waves(80.0), waves(30.0, seed=2)
    frequency = math.sqrt((0.75 / 80**2) + (0.25 / 30**2))
    assert motion_period(math.sqrt(3) * slow + fast) == pytest.approx(1 / frequency, rel=0.02)
    # Coordinates count alike, whatever their unit.
    frequency = math.sqrt((0.5 / 80**2) + (0.5 / 30**2))
    assert motion_period(torch.cat((slow, 1000 * fast), -1)) == pytest.approx(1 / frequency, rel=0.02)


def test_a_gaussian_process_rises_through_its_mean_once_in_a_period() -> None:
    """Rice's formula, against the crossings of a long sum of many waves, counted."""
    generator = torch.Generator().manual_seed(3)
    frequency = 2 * math.pi / (20 + 40 * torch.rand(60, generator=generator))
    phase = 2 * math.pi * torch.rand(400, 60, 1, generator=generator)
    track = (frequency[:, None] * torch.arange(400) + phase).sin().sum(1)
    rises = ((track[:, :-1] < 0) & (track[:, 1:] >= 0)).float().mean()
    assert motion_period(track.unsqueeze(-1)) == pytest.approx(float(1 / rises), rel=0.03)


def test_what_has_no_time_scale_is_given_none() -> None:
    like = torch.zeros(2000, 20, 2)
    assert motion_period(like + 3) is None
    assert motion_period(noise(like)) is None
    places = noise(torch.empty(2000, 1, 2))
    assert motion_period(places.expand(-1, 20, -1)) is None
    for seed in range(5):
        assert motion_period(places + 0.1 * noise(like, seed)) is None
    assert motion_period(0.1 * noise(like).cumsum(1) + places) is None


def test_what_stands_still_beside_what_moves_does_not_count() -> None:
    track = waves(18.0)
    assert motion_period(torch.cat((track, torch.ones_like(track)), -1)) == pytest.approx(
        motion_period(track), rel=1e-9
    )
