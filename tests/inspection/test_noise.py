"""Noise: of sensors between moments, of pictures among look-alikes."""

from __future__ import annotations

import pytest
import torch

from latentrl.inspection.frames import look_at
from latentrl.inspection.noise import interpolation_noise
from latentrl.inspection.summary import inspect_sequences
from latentrl.support.errors import UserError
from latentrl.types import Sequences
from tests.inspection.systems import moved, noisy, robot, spring, table, turned, wheel


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("record", [spring, wheel])
def test_sensors_have_the_noise_that_was_added(record, noise: float) -> None:  # type: ignore[no-untyped-def]
    data = record(noise)
    for one in interpolation_noise(data.observations, data.actions):
        assert float(one) == pytest.approx(noise, rel=0.25)


def test_each_sensor_has_its_own_in_its_own_unit() -> None:
    data = wheel()
    generator = torch.Generator().manual_seed(2)
    scale = torch.tensor([1.0, 100.0])
    noise = torch.tensor([0.01, 0.05])
    seen = scale * (data.observations + noise * torch.randn(data.observations.shape, generator=generator))
    found = interpolation_noise(seen + torch.tensor([0.0, 1e4]), data.actions)
    torch.testing.assert_close(found, scale * noise, rtol=0.25, atol=0)


@pytest.mark.parametrize("noise", [0.003, 0.03, 0.1])
def test_an_encoders_noise_along_the_circle_is_not_lost(noise: float) -> None:
    """An angle's noise, seen in its sine and cosine, is one noise between two readings, and none across the circle."""
    places, actions = moved(400, 20, 1)
    seen = turned(noisy(torch.pi * places, noise))
    for one in interpolation_noise(seen, actions):
        assert float(one) == pytest.approx(noise / 2**0.5, rel=0.35)


ROBOT_NOISES = pytest.mark.parametrize(
    "shares",
    [[0.05] * 7, [0.2] * 7, [0.1, 0.01] * 3 + [0.1], [0.01] * 4 + [0.1] * 3, [0.01] * 6 + [0.3], [0.3] + [0.02] * 6],
    ids=["alike", "alike, much", "by turns", "velocities", "load", "one cosine"],
)
"""Of each sensor's deviation."""


@ROBOT_NOISES
@pytest.mark.parametrize("hurry", [0.3, 1.0])
def test_noise_that_differs_between_sensors_is_none_of_the_others(shares: list[float], hurry: float) -> None:
    """A tenth below is chance; above it counts what motion leaves, most of the load, which turns fastest."""
    data = robot(hurry)
    spread = data.observations.flatten(0, 1).std(0)
    noise = torch.tensor(shares) * spread
    found = interpolation_noise(noisy(data.observations, noise), data.actions) / noise
    assert 0.92 < float(found.min()) and float(found[:-1].max()) < 1.15
    assert float(found[-1]) < (1.2 if shares[-1] > 0.04 else 2.0)


def test_single_outliers_are_no_noise() -> None:
    """One of 500 readings is anything: as a deviation, four to five times the noise."""
    data = robot()
    spread = data.observations.flatten(0, 1).std(0)
    seen = noisy(data.observations, 0.05 * spread)
    wild = torch.rand(seen.shape, generator=torch.Generator().manual_seed(4)) < 1 / 500
    seen = torch.where(wild, noisy(data.observations, 5 * spread, seed=5), seen)
    found = interpolation_noise(seen, data.actions) / (0.05 * spread)
    assert 0.92 < float(found.min()) <= float(found.max()) < 1.3


def test_a_sensor_that_is_there_twice_has_its_noise_twice() -> None:
    data = wheel(0.05)
    twice = torch.cat((data.observations, data.observations), -1)
    found = interpolation_noise(twice, data.actions)
    torch.testing.assert_close(found, torch.full((4,), 0.05), rtol=0.25, atol=0)


def test_without_noise_little_is_left() -> None:
    data = spring()
    assert float(interpolation_noise(data.observations, data.actions)) < 1e-6


def test_where_nothing_moves_there_is_none() -> None:
    """Some of the time, as a robot that stands, and all of the time."""
    data = spring()
    standing = data.observations.clone()
    standing[::2] = standing[0, 0]
    pushes = torch.zeros_like(data.actions)
    assert torch.isfinite(interpolation_noise(standing, pushes)).all()
    assert float(interpolation_noise(standing[::2], pushes[::2])) < 1e-6


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_pictures_have_the_noise_that_was_added(noise: float) -> None:
    assert look_at(table(noise)).sensor_noise == pytest.approx(noise, rel=0.15)


def test_noise_above_the_bound_of_training_is_said() -> None:
    """Kappa is a sixth of the deviation."""
    assert not any("kappa" in line for line in inspect_sequences(spring(0.02)).advice)
    generator = torch.Generator().manual_seed(0)
    data = spring()
    loud = Sequences(data.observations + torch.randn(data.observations.shape, generator=generator), data.actions)
    assert any("--kappa" in line for line in inspect_sequences(loud).advice)


def test_readings_that_are_no_numbers_are_refused_by_their_place() -> None:
    data = spring()
    data.observations[3, 4, 0] = torch.nan
    with pytest.raises(UserError, match=r"what is looked at: observations.*nan"):
        look_at(data)
