"""Even motion: a line that is stretched and leans is made straight by how it moves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.cylinder.even_motion import equalise_speed, even_line, remove_lean, shows_motion
from tests.arms import WRIST, explained


@pytest.fixture(scope="module")
def motion() -> tuple[Tensor, Tensor]:
    """Shoulders and wrists ``[1500, 20]`` of arms that move as fast everywhere, but are more often bent to one side."""
    g = torch.Generator().manual_seed(0)
    speed = 0.12 * torch.randn(1500, 20, 2, generator=g, dtype=torch.float64)
    for t in range(1, 20):
        speed[:, t] = 0.8 * speed[:, t - 1] + 0.6 * speed[:, t]
    start = torch.rand(1500, 2, generator=g, dtype=torch.float64)
    start[:, 1].sqrt_()
    angles = start.unsqueeze(1) * torch.tensor([2 * math.pi, 2 * WRIST]) - torch.tensor([0, WRIST]) + speed.cumsum(1)
    wrist = WRIST - (angles[..., 1] - WRIST).abs()
    return angles[..., 0], (wrist + WRIST).abs() - WRIST


def stretched(wrist: Tensor) -> Tensor:
    return wrist.sinh()


def leaning(shoulder: Tensor, wrist: Tensor) -> Tensor:
    return wrist + 0.5 * (shoulder - 1).cos() + 0.15 * (2 * shoulder).sin() * wrist


def straight(line: Tensor, wrist: Tensor) -> float:
    return explained(line.reshape(-1, 1), wrist.flatten())


def test_a_line_that_leans_stands_up(motion: tuple[Tensor, Tensor]) -> None:
    shoulder, wrist = motion
    bent = leaning(shoulder, wrist)
    assert straight(bent, wrist) < 0.92 and straight(remove_lean(shoulder, bent), wrist) > 0.985
    assert straight(remove_lean(shoulder, wrist), wrist) > 0.995, "one that stands stays"


def test_a_stretched_line_is_as_fast_everywhere(motion: tuple[Tensor, Tensor]) -> None:
    _, wrist = motion
    bent = stretched(wrist)
    even = equalise_speed(bent)
    assert straight(bent, wrist) < 0.96 and straight(even, wrist) > 0.985
    assert float(even.min()) == -1 and float(even.max()) == pytest.approx(1)
    order = bent.flatten().argsort()
    assert bool((even.flatten()[order].diff() >= 0).all()), "no place changes sides"


def test_a_line_that_is_stretched_and_leans_is_straight_in_the_end(motion: tuple[Tensor, Tensor]) -> None:
    shoulder, wrist = motion
    bent = stretched(leaning(shoulder, wrist))
    found = even_line(shoulder, bent)
    assert straight(bent, wrist) < 0.8 and straight(found, wrist) > 0.985
    assert torch.equal(found, even_line(shoulder, bent)), "the same bits"


def test_frames_without_motion_tell_nothing(motion: tuple[Tensor, Tensor]) -> None:
    shoulder, wrist = motion
    for few in (1, 3):
        assert torch.equal(even_line(shoulder[:, :few], wrist[:, :few]), wrist[:, :few])
    g = torch.Generator().manual_seed(1)
    scattered = torch.rand(400, 10, generator=g, dtype=torch.float64)
    assert torch.equal(even_line(shoulder[:400, :10], scattered), scattered)
    noisy = wrist + 0.3 * torch.randn(wrist.shape, generator=g, dtype=torch.float64)
    assert shows_motion(wrist) and not shows_motion(noisy), "places whose own error is larger than what they move"
