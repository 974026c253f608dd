"""Charts: what graphs of neighbours tell of circles and of a drawn arm."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.envs.pendulum.camera import digitise, draw
from latentrl.geometry.charts import chart, explained_by_neighbours, needs_chart, rotate_to_explain
from latentrl.geometry.neighbour_graph import NoChartError, similarities, slowest_functions
from tests.arms import WRIST, draw_arms, explained


def test_the_slowest_functions_of_a_circle_are_its_harmonics() -> None:
    angle = 2 * math.pi * torch.rand(1500, generator=torch.Generator().manual_seed(0))
    speeds, functions = slowest_functions(similarities(torch.stack((angle.cos(), angle.sin()), 1), 10), 4)
    assert bool((speeds.diff() >= 0).all()) and speeds[0] > 0
    torch.testing.assert_close(functions.T @ functions / 1500, torch.eye(4), atol=1e-3, rtol=0)
    for harmonic, pair in ((1, functions[:, :2]), (2, functions[:, 2:])):
        assert min(explained(pair, (harmonic * angle).cos()), explained(pair, (harmonic * angle).sin())) > 0.95


@pytest.fixture(scope="module")
def arms() -> tuple[Tensor, Tensor]:
    """Pictures ``[600, 10, 24, 24, 1]`` and angles ``[600, 10, 2]`` of arms in any pose."""
    g = torch.Generator().manual_seed(0)
    angles = (torch.rand(600, 10, 2, generator=g) - 0.5) * torch.tensor([2 * math.pi, 2 * WRIST])
    return draw_arms(angles, 24), angles


def test_a_chart_of_an_arm_has_both_joints(arms: tuple[Tensor, Tensor]) -> None:
    pictures, angles = arms
    assert needs_chart(pictures, 3)
    found = chart(pictures, 3)
    assert found.shape == (600, 10, 3) and found.dtype == torch.float32
    flat = found.flatten(0, 1)
    torch.testing.assert_close(flat.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(0), torch.ones(3), atol=1e-4, rtol=0)
    shoulder, wrist = angles.flatten(0, 1).unbind(-1)
    assert min(explained(flat, shoulder.cos()), explained(flat, shoulder.sin()), explained(flat, wrist)) > 0.95


def test_frames_between_the_landmarks_are_placed_among_them(arms: tuple[Tensor, Tensor]) -> None:
    pictures, angles = arms
    found = chart(pictures, 3, landmarks=3000).flatten(0, 1)  # every other frame is a landmark
    for joint in (angles[..., 0].cos(), angles[..., 0].sin(), angles[..., 1]):
        landmarks, between = (explained(found[start::2], joint.flatten()[start::2]) for start in (0, 1))
        assert landmarks > 0.7 and between > landmarks - 0.02


def test_there_are_no_more_coordinates_than_the_pictures_have(arms: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(NoChartError, match=r"has [34] of 5 coordinates"):
        chart(arms[0], 5, landmarks=2000)


def test_a_harmonic_is_explained_by_neighbours_on_the_ring_and_another_joint_is_not() -> None:
    around, along = torch.rand(2, 2000, generator=torch.Generator().manual_seed(0)) * 2 * math.pi
    ring = torch.stack((around.cos(), around.sin()), 1)
    assert explained_by_neighbours(ring, (2 * around).cos().unsqueeze(1)) > 0.95
    assert explained_by_neighbours(ring, along.unsqueeze(1)) < 0.1


def test_a_pendulum_s_blurred_pictures_tell_all_of_its_position() -> None:
    angle = torch.linspace(0, 2 * math.pi, 600)
    pictures = torch.from_numpy(digitise(draw(angle.double().numpy(), "blob"))).view(20, 30, 16, 16, 1)
    assert not needs_chart(pictures, 2) and needs_chart(pictures, 3)


def test_large_motions_come_first_and_explain_the_pictures() -> None:
    """The ring is turned by what its pictures show, not left as the graph twists it."""
    g = torch.Generator().manual_seed(0)
    functions = torch.linalg.qr(torch.randn(500, 4, generator=g)).Q * 500**0.5
    first, second, third, fourth = functions.unbind(1)
    pictures = torch.stack((3 * (first + second), 3 * (first - third), 0.1 * fourth), 1)
    found = rotate_to_explain(torch.tensor([0.1, 0.2, 0.3, 0.05]), functions, pictures, pictures, 3)
    assert explained(found[:, :2], first + second) > 0.999 and explained(found[:, :2], first - third) > 0.999
    assert explained(found[:, 2:], fourth) > 0.999, "the slowest that is left"


def groups() -> Tensor:
    pictures = torch.zeros(20, 30, 16, 16, 1, dtype=torch.uint8)
    for i, sequence in enumerate(pictures):
        sequence[:, : 8 if i < 10 else 16, : 8 if i < 10 else 2] = 200
        sequence += torch.randint(0, 9, sequence.shape, generator=torch.Generator().manual_seed(i)).byte()
    return pictures


def test_pictures_that_are_no_manifold_are_refused() -> None:
    with pytest.raises(NoChartError, match="2 groups"):
        chart(groups(), 2)
    with pytest.raises(NoChartError, match="30 frames are too few"):
        chart(groups()[:1], 2)
