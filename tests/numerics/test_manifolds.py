"""Dimensions and noise of point clouds that are known by construction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.numerics.manifolds import intrinsic_dimension, leading_components, local_noise, neighbourhoods


def cloud(dimension: int, count: int = 2000, ambient: int = 12) -> Tensor:
    """A cube of ``dimension``, turned into ``ambient`` dimensions."""
    generator = torch.Generator().manual_seed(dimension)
    axes = torch.linalg.qr(torch.randn(ambient, dimension, generator=generator)).Q
    return torch.rand(count, dimension, generator=generator) @ axes.T


def squared(points: Tensor, count: int = 16) -> Tensor:
    return neighbourhoods(points, torch.arange(len(points)), count, torch.arange(len(points)))[0]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_cube_has_its_dimension(dimension: int) -> None:
    assert intrinsic_dimension(squared(cloud(dimension))) == pytest.approx(dimension, abs=0.3)


def test_scale_does_not_matter() -> None:
    points = cloud(2)
    assert intrinsic_dimension(squared(1e3 * points)) == pytest.approx(intrinsic_dimension(squared(points)), abs=1e-2)


def test_noise_is_taken_off() -> None:
    """A ring with noise in all directions is thick to who looks closely, unless the noise is known."""
    angle = 2 * math.pi * torch.rand(3000, generator=torch.Generator().manual_seed(0))
    points = torch.zeros(3000, 20)
    points[:, 0], points[:, 1] = angle.cos(), angle.sin()
    points = points + 0.01 * torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    far = squared(points, 128)
    assert intrinsic_dimension(far[:, :32]) > 2
    assert intrinsic_dimension(far, 2 * 20 * 0.01**2) == pytest.approx(1, abs=0.25)


def test_components_are_those_of_a_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(300, 40, generator=generator) * torch.logspace(0, -3, 40)
    found, variances = leading_components(points, 5)
    values = torch.linalg.svdvals(points - points.mean(0))
    torch.testing.assert_close(variances, values[:5].square() / 300, rtol=1e-3, atol=0)
    torch.testing.assert_close(found.square().mean(0), variances, rtol=1e-3, atol=0)
    assert leading_components(points, 100)[0].shape == (300, 40)


@pytest.mark.parametrize("noise", [0.003, 0.03])
def test_noise_of_many_dimensions_is_measured_among_neighbours(noise: float) -> None:
    points = 3 * cloud(2, 1500, ambient=200)
    points = points + noise * torch.randn(points.shape, generator=torch.Generator().manual_seed(3))
    at = torch.arange(0, 1500, 10)
    index = neighbourhoods(points, at, 16, torch.arange(1500))[1]
    assert local_noise(points, index) == pytest.approx(noise, rel=0.15)
