"""What every topology must hold, whoever wrote it: one battery for all of `TOPOLOGIES`.

The checks are functions of a topology, and a toy that is written here passes them like the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentrl.geometry.plane import Plane
from latentrl.geometry.topologies import TOPOLOGIES, topology_of
from latentrl.geometry.topology import Topology

SEQUENCES, LENGTH = 200, 8


class Circle(Topology):
    """A toy: a ring alone, whose points move around it."""

    def detects(self, points: Tensor) -> bool:
        if points.shape[1] != 2:
            return False
        radius = ((points - points.mean(0)) / points.std(0)).norm(dim=1)
        return float((radius > 0.5 * radius.median()).float().mean()) > 0.99

    def dimension(self, coordinates: int) -> int:
        return 1

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        angle = 2 * math.pi * torch.rand(count, generator=generator)
        return torch.stack((angle.cos(), angle.sin()), -1)

    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        centred = positions.detach() - positions.detach().mean((0, 1))
        turn = torch.atan2(centred[..., 1], centred[..., 0]).diff(dim=1)
        return torch.atan2(turn.sin(), turn.cos()).flatten().unsqueeze(1)


def places_on(topology: Topology) -> Tensor:
    """Places ``[SEQUENCES, LENGTH, K]`` all over it."""
    points = topology.sample(SEQUENCES * LENGTH, torch.Generator().manual_seed(0))
    return points.unflatten(0, (SEQUENCES, LENGTH))


def pictures_of(places: Tensor) -> Tensor:
    """Pictures ``[N, T, 8, 8, 1]`` uint8 that change smoothly with ``places [N, T, K]``."""
    waves = torch.randn(places.shape[-1], 64, generator=torch.Generator().manual_seed(1))
    bright = 0.5 + 0.5 * (places @ waves + torch.arange(64.0)).sin()
    return (255 * bright).to(torch.uint8).unflatten(-1, (8, 8, 1))


def check_samples_are_detected(topology: Topology) -> None:
    """Its own points are, in coordinates of any mean and scale; those of a plane of as many coordinates are not."""
    points = topology.sample(2000, torch.Generator().manual_seed(0))
    size = points.shape[1]
    assert points.shape == (2000, size) and points.dtype == torch.float32 and bool(points.isfinite().all())
    assert torch.equal(points, topology.sample(2000, torch.Generator().manual_seed(0))), "drawn by the generator"
    assert topology.detects(points)
    assert topology.detects(points * torch.linspace(0.5, 3, size) + 2)
    if not isinstance(topology, Plane):
        g = torch.Generator().manual_seed(2)
        for flat in (torch.rand(2000, size, generator=g), torch.randn(2000, size, generator=g)):
            assert not topology.detects(flat)
        assert not topology.detects(torch.rand(2000, size + 1, generator=g))


def check_straight_stays_what_it_is(topology: Topology) -> None:
    """Shapes, finite numbers, the same bits again, and points that are still of this topology."""
    places = places_on(topology)
    pictures = pictures_of(places)
    for method in (topology.straighten, topology.even):
        found = method(places, pictures)
        assert found.shape == places.shape and found.dtype == torch.float32 and bool(found.isfinite().all())
        assert torch.equal(found, method(places, pictures)), "the same bits"
        assert torch.equal(places, places_on(topology)), "what was given is left alone"
        assert topology.detects(found.flatten(0, 1))


def check_even_coordinates_are_standardised(topology: Topology) -> None:
    """Whatever the mean and scale of the places were."""
    places = places_on(topology)
    size = places.shape[-1]
    flat = topology.even(places * torch.linspace(0.5, 3, size) + 2, pictures_of(places)).flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(size), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(0), torch.ones(size), atol=1e-4, rtol=0)


def check_displacements(topology: Topology) -> None:
    """Shape, no gradient, none where nothing moves, backwards is minus forwards, and no matter where zero is."""
    places = places_on(topology)
    places = (places - places.mean((0, 1))) / places.std((0, 1))
    size = places.shape[-1]
    moved = topology.displacements(places.clone().requires_grad_(), places)
    assert moved.shape == (SEQUENCES * (LENGTH - 1), topology.dimension(size)) and not moved.requires_grad
    assert 1 <= topology.dimension(size) <= size
    assert bool(moved.isfinite().all()) and float(moved.std(0).min()) > 0
    shifted = topology.displacements(places + 1, places)
    torch.testing.assert_close(shifted, moved, rtol=1e-3, atol=1e-3)
    back = topology.displacements(places.flip(1), places.flip(1)).unflatten(0, (SEQUENCES, -1)).flip(1)
    torch.testing.assert_close(-back.flatten(0, 1), moved, rtol=1e-3, atol=1e-3)
    still = places[:, :1].expand_as(places)
    torch.testing.assert_close(topology.displacements(still, still), torch.zeros_like(moved), rtol=0, atol=1e-4)
    other = places.flip(0)
    apart = topology.displacements(other, other).unflatten(0, (SEQUENCES, -1)).flip(0).flatten(0, 1)
    torch.testing.assert_close(apart, moved, rtol=1e-3, atol=1e-3)  # a sequence's own, in the sequences' order


CHECKS: tuple[Callable[[Topology], None], ...] = (
    check_samples_are_detected,
    check_straight_stays_what_it_is,
    check_even_coordinates_are_standardised,
    check_displacements,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("topology", [*TOPOLOGIES.values(), Circle()], ids=[*TOPOLOGIES, "circle"])
def test_topology(topology: Topology, check: Callable[[Topology], None]) -> None:
    check(topology)


def test_points_are_of_the_topology_that_they_were_drawn_from() -> None:
    """The order of detection hides none of them, and what no other detects is a plane."""
    for topology in TOPOLOGIES.values():
        assert topology_of(topology.sample(2000, torch.Generator().manual_seed(0))) is topology
    for size in range(1, 6):
        assert isinstance(topology_of(torch.rand(2000, size, generator=torch.Generator().manual_seed(size))), Plane)


class Everywhere(Circle):
    def detects(self, points: Tensor) -> bool:
        return True


class Shrinking(Circle):
    def even(self, places: Tensor, observations: Tensor, landmarks: int = 0) -> Tensor:
        return 0.5 * places


class Forgetful(Circle):
    def straighten(self, places: Tensor, observations: Tensor, landmarks: int = 0) -> Tensor:
        return torch.rand_like(places)


class Absolute(Circle):
    def displacements(self, positions: Tensor, places: Tensor) -> Tensor:
        return positions[:, 1:, :1].detach().flatten(0, 1)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Everywhere(), check_samples_are_detected),
        (Forgetful(), check_straight_stays_what_it_is),
        (Shrinking(), check_even_coordinates_are_standardised),
        (Absolute(), check_displacements),
    ],
    ids=lambda part: getattr(part, "__name__", type(part).__name__),
)
def test_the_checks_find_what_is_wrong(broken: Topology, check: Callable[[Topology], None]) -> None:
    with pytest.raises(AssertionError):
        check(broken)
