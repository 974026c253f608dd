"""Noise: of sensors between moments, of pictures among look-alikes."""

from __future__ import annotations

import pytest
import torch

from latentrl.inspection.frames import look_at
from latentrl.inspection.noise import interpolation_noise
from latentrl.inspection.summary import inspect_sequences
from latentrl.types import Sequences
from tests.inspection.systems import spring, table, wheel


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
