"""The alignment penalty: what it measures, and that it can be followed."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentrl.geometry.cylinder import Cylinder
from latentrl.numerics.least_squares import unexplained
from latentrl.training.penalties.velocity import turn_unexplained, velocity_unexplained


def ring(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), -1)


def test_a_linear_map_leaves_nothing_and_noise_leaves_all() -> None:
    g = torch.Generator().manual_seed(0)
    positions = torch.randn(2000, 2, generator=g)
    components = positions @ torch.randn(2, 3, generator=g) + 5
    components = (components - components.mean(0)) / components.std(0)
    assert float(unexplained(positions, components)) < 1e-4
    assert float(unexplained(torch.randn(2000, 2, generator=g), components)) == pytest.approx(1, abs=0.02)


def arm_states(velocity_of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """States ``[40, 30, 4]`` of two joints that wander; ``velocity_of(angles, moved)`` gives their velocity part."""
    g = torch.Generator().manual_seed(0)
    moved = torch.randn(40, 30, 2, generator=g)
    angles = moved.cumsum(1)
    return torch.cat((angles, velocity_of(angles, moved)), -1)


def test_velocities_that_are_displacement_in_any_axes_are_aligned() -> None:
    mixed = torch.tensor([[2.0, 0.3], [-1.0, 0.1]])
    assert float(velocity_unexplained(arm_states(lambda angles, moved: moved @ mixed + 3), 2)) < 1e-4


def test_momenta_and_forward_differences_are_not_aligned() -> None:
    def momenta(angles: Tensor, moved: Tensor) -> Tensor:
        return moved * (1.5 + angles[..., 1:].cos())

    def forward(angles: Tensor, moved: Tensor) -> Tensor:
        return moved.roll(-1, dims=1)

    assert 0.05 < float(velocity_unexplained(arm_states(momenta), 2)) < 0.5
    assert float(velocity_unexplained(arm_states(forward), 2)) > 0.9


def test_one_velocity_around_a_ring_is_aligned_and_one_that_turns_with_the_ring_is_not() -> None:
    g = torch.Generator().manual_seed(0)
    moved = 0.1 * torch.randn(40, 30, 2, generator=g)
    around, along = moved.cumsum(1).unbind(-1)
    around = around + 2 * math.pi * torch.rand(40, 1, generator=g)
    cylinder = torch.cat((ring(around), along.unsqueeze(-1)), -1)
    along_axes = torch.cat((cylinder[:, :1, :2] * 0, cylinder[..., :2].diff(dim=1)), 1)
    assert float(velocity_unexplained(torch.cat((cylinder, moved), -1), 3)) < 0.02
    assert float(velocity_unexplained(torch.cat((cylinder, along_axes), -1), 3)) > 0.25


def test_on_a_straight_cylinder_the_velocity_is_the_turn_and_may_not_depend_on_where() -> None:
    g = torch.Generator().manual_seed(0)
    moved = 0.1 * torch.randn(40, 30, 2, generator=g)
    around, along = moved.cumsum(1).unbind(-1)
    around = around + 2 * math.pi * torch.rand(40, 1, generator=g)
    places = torch.cat((ring(around) * math.sqrt(2), along.unsqueeze(-1) / along.std()), -1)
    position = places @ torch.randn(3, 3, generator=g) + 2
    mixed = moved @ torch.tensor([[2.0, 0.3], [-1.0, 0.1]]) + 3
    states = torch.cat((position, mixed), -1).requires_grad_()
    found = turn_unexplained(states, places, Cylinder())
    assert float(found.detach()) < 1e-3
    assert float(turn_unexplained(states.detach().double(), places, Cylinder())) == pytest.approx(
        float(found.detach()), abs=1e-3
    )
    found.backward()
    assert states.grad is not None and torch.equal(states.grad[..., :3], torch.zeros(40, 30, 3))
    local = moved * (1 + 0.7 * around.cos()).unsqueeze(-1)
    assert float(velocity_unexplained(torch.cat((position, moved / (1 + 0.1 * places[..., 2:])), -1), 3)) < 0.02
    assert float(turn_unexplained(torch.cat((position, local), -1), places, Cylinder())) > 0.1


def test_the_velocity_s_penalty_moves_velocities_and_not_what_they_are_measured_by() -> None:
    states = arm_states(lambda angles, moved: moved * angles.cos()).requires_grad_()
    velocity_unexplained(states, 2).backward()
    assert states.grad is not None
    assert states.grad[..., 2:].abs().sum() > 0 and torch.equal(states.grad[..., :2], torch.zeros(40, 30, 2))


def test_equal_positions_give_a_finite_penalty_and_gradient() -> None:
    positions = torch.zeros(50, 2, requires_grad=True)
    penalty = unexplained(positions, torch.randn(50, 2, generator=torch.Generator().manual_seed(0)))
    penalty.backward()
    assert penalty.isfinite() and positions.grad is not None and positions.grad.isfinite().all()


def test_an_uneven_ring_is_penalised_and_descent_evens_it() -> None:
    angle = 2 * math.pi * torch.rand(500, generator=torch.Generator().manual_seed(0))
    components = ring(angle) * math.sqrt(2)
    uneven = ring(angle + 0.6 * angle.sin()).clone().requires_grad_()
    start = float(unexplained(uneven, components).detach())
    assert start > 0.02
    optimiser = torch.optim.Adam([uneven], 1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        unexplained(uneven, components).backward()
        optimiser.step()
    assert float(unexplained(uneven, components).detach()) < 0.1 * start
