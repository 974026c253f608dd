"""A cylinder: what is one, how points move on it, and a drawn arm's made straight and even."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.cylinder import Cylinder
from tests.arms import WRIST, explained, wander

CYLINDER = Cylinder()


def bent(shoulder: Tensor, wrist: Tensor) -> Tensor:
    """A chart whose ring is twisted along the line, and whose line is stretched and leans with the ring."""
    twist = 0.5 * (1.3 * wrist).sin()
    line = wrist.sinh() / 5 + 0.15 * shoulder.cos() * wrist.cos()
    return torch.stack(((shoulder + twist).cos(), (shoulder + twist).sin(), line), -1)


def test_a_cylinder_has_a_hole_and_a_ball_has_none() -> None:
    g = torch.Generator().manual_seed(0)
    shoulder, wrist = (torch.rand(2, 4000, generator=g) - 0.5).mul(torch.tensor([[2 * math.pi], [2 * WRIST]])).unbind()
    chart = bent(shoulder, wrist)
    assert CYLINDER.detects(chart) and CYLINDER.detects(3 * chart + 1)
    assert not CYLINDER.detects(torch.randn(2000, 3, generator=g))
    assert not CYLINDER.detects(chart[:, :2]), "a ring without a line"
    assert not CYLINDER.detects(chart[:, [0, 2, 1]]), "its axis is the last coordinate"


def test_its_two_displacements_are_the_turn_and_the_slide_whatever_the_position_s_axes() -> None:
    g = torch.Generator().manual_seed(0)
    moved = torch.tensor([0.4, 0.1]) * torch.randn(40, 30, 2, generator=g)
    around, along = moved.cumsum(1).unbind(-1)
    around = around + 2 * math.pi * torch.rand(40, 1, generator=g)
    places = torch.stack((around.cos() * math.sqrt(2), around.sin() * math.sqrt(2), along / along.std()), -1)
    positions = places @ torch.randn(3, 3, generator=g) + 2
    found = CYLINDER.displacements(positions.requires_grad_(), places)
    assert found.shape == (40 * 29, 2) and not found.requires_grad
    turn, slide = found.unbind(1)
    torch.testing.assert_close(turn, moved[:, 1:, 0].flatten(), rtol=0, atol=5e-3)  # also across the seam at pi
    torch.testing.assert_close(slide, (moved[:, 1:, 1] / along.std()).flatten(), rtol=0, atol=5e-3)
    rough = places + 0.05 * torch.randn(places.shape, generator=g)
    told, single = (CYLINDER.displacements(own, rough)[:, 0] - turn for own in (positions, rough))
    assert float(told.std()) < 0.2 * float(single.std()), "the position tells more than single places"


@pytest.fixture(scope="module")
def arms() -> tuple[Tensor, Tensor]:
    """Pictures ``[400, 12, 16, 16, 1]`` of wandering arms, and their angles ``[400, 12, 2]``."""
    data, angles = wander(400, 12, size=16)
    return data.observations, angles


def test_a_drawn_arm_s_cylinder_is_made_straight_and_even(arms: tuple[Tensor, Tensor]) -> None:
    pictures, angles = arms
    shoulder, wrist = angles.unbind(-1)
    chart = 3 * bent(shoulder, wrist) + 1
    straight = CYLINDER.straighten(chart, pictures)
    even = CYLINDER.even(straight, pictures)
    assert explained(chart.flatten(0, 1)[:, 2:], wrist.flatten()) < 0.95
    for found in (straight, even):
        for joint in (shoulder.cos(), shoulder.sin(), wrist):
            before, after = (explained(places.flatten(0, 1), joint.flatten()) for places in (chart, found))
            assert 1 - after < 0.35 * (1 - before)
        assert explained(found.flatten(0, 1)[:, 2:], wrist.flatten()) > 0.98
    torch.testing.assert_close(straight[..., :2].norm(dim=-1), torch.ones(400, 12))
