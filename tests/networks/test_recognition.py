"""What each time step of a recurrent recognition network knows, and what it does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.networks.recognition import Direction, RecurrentRecognition

BATCH, LENGTH, PIXELS = 2, 6, 4


def inputs() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.rand(BATCH, LENGTH, PIXELS, generator=g), torch.randn(BATCH, LENGTH - 1, 1, generator=g)


def network(direction: Direction) -> RecurrentRecognition:
    torch.manual_seed(0)
    return RecurrentRecognition(PIXELS, 1, 8, (8,), 3, direction)


def steps_reached(direction: Direction, frame: int | None = None, control: int | None = None) -> list[int]:
    """The time steps whose mean changes with the given frame or control."""
    observations, controls = inputs()
    before = network(direction)(observations, controls).mean
    if frame is not None:
        observations[:, frame] += 1
    if control is not None:
        controls[:, control] += 1
    changed = (network(direction)(observations, controls).mean - before).abs().amax((0, 2)) > 1e-7
    return [int(t) for t in changed.nonzero()]


@pytest.mark.parametrize(
    ("direction", "by_frame", "by_control"),
    # Control 2 acts between frames 2 and 3.
    [
        ("forward", [2, 3, 4, 5], [3, 4, 5]),
        ("backward", [0, 1, 2], [0, 1, 2]),
        ("both", [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_step_knows_its_past_or_its_future_and_its_own_frame(
    direction: Direction, by_frame: list[int], by_control: list[int]
) -> None:
    assert steps_reached(direction, frame=2) == by_frame
    assert steps_reached(direction, control=2) == by_control


def test_a_single_frame_will_do() -> None:
    observations, controls = inputs()
    found = network("both")(observations[:, :1], controls[:, :0])
    assert found.mean.shape == found.variance.shape == (BATCH, 1, 3)
