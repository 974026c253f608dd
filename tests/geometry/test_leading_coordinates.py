"""Leading coordinates: what strong blur leaves of a picture is where things are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.envs.pendulum.camera import digitise, draw
from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.numerics.least_squares import unexplained


def ring(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), -1)


@pytest.mark.parametrize("kind", ["blob", "rod"])
def test_components_of_blurred_pendulums_are_its_sine_and_cosine(kind: str) -> None:
    """The premise: strongly blurred, both pictures are nearly linear in a circle's coordinates."""
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 600)
    images = torch.from_numpy(digitise(draw(angle, kind)))  # type: ignore[arg-type]
    components = leading_coordinates(images.view(40, 15, 16, 16, 1), 2)
    assert components.shape == (40, 15, 2)
    flat = components.flatten(0, 1)
    torch.testing.assert_close(flat.std(0), torch.ones(2), rtol=0.05, atol=0)
    assert float(unexplained(ring(torch.from_numpy(angle).float()), flat)) < 0.02


@pytest.mark.parametrize("shape", [(64, 64), (96, 48)])
def test_components_of_large_colour_images_follow_what_moves(shape: tuple[int, int]) -> None:
    """Averaged down first, so that they take no minute; what they show stays."""
    height, width = shape
    angle = torch.linspace(-math.pi, math.pi, 600)
    rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    down, across = (0.25 * width * ring(angle)).view(-1, 2, 1, 1).unbind(1)
    disc = (rows - height / 2 - down).square() + (columns - width / 2 - across).square() < 16
    images = 50 + disc.unsqueeze(-1) * torch.tensor([180, 120, 10])
    components = leading_coordinates(images.to(torch.uint8).unflatten(0, (40, 15)), 2)
    assert components.shape == (40, 15, 2)
    assert float(unexplained(ring(angle), components.flatten(0, 1))) < 0.05


def test_components_do_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randint(0, 256, (5, 4, 40, 36, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = leading_coordinates(frames, 3)
    monkeypatch.setattr("latentrl.geometry.leading_coordinates.PIECE", 3 * 40 * 36 * 3)
    torch.testing.assert_close(leading_coordinates(frames, 3), whole, rtol=1e-3, atol=1e-3)
