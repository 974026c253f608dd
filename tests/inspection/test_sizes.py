"""Sizes of a state: systems whose positions and velocities are known by construction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from latentrl.inspection.frames import look_at
from latentrl.inspection.sizes import Sizes, estimate_sizes, measured_dimension, words_between
from latentrl.types import Sequences
from tests.inspection.systems import drawn, driven, joints, noisy, spring, table, turned, wheel, wheels
from tests.table import recorded


def of_velocities(pictures: bool) -> Sequences:
    """Two positions whose actions are their velocities: nothing goes on by itself."""
    places, actions = driven(200, 20, 2)
    return Sequences(drawn(places) if pictures else places, actions)


def ball() -> Sequences:
    """A small ball on a wide table: neighbours are far apart for its size, which is no break."""
    made = [recorded(np.random.default_rng(n), 20) for n in range(150)]
    frames = torch.from_numpy(np.stack([one["frames"] for one in made])).float().mean(-1, keepdim=True)
    small = avg_pool2d(frames.flatten(0, 1).squeeze(-1), 4).round().to(torch.uint8)
    actions = torch.from_numpy(np.stack([one["actions"] for one in made])).float()
    return Sequences(small.unflatten(0, (len(made), 20)).unsqueeze(-1), actions)


def of_places_and_speeds() -> Sequences:
    """A wheel that tells its speed too: a cylinder, and no velocity besides."""
    data = wheel()
    angle = data.observations[..., 1].atan2(data.observations[..., 0])
    speed = (angle[:, 1:] - angle[:, :-1] + 3.1416) % 6.2832 - 3.1416
    # The speed of the step that leads to a frame; what follows is a function of frame and action.
    both = (turned(angle[:, 1:, None]), speed.unsqueeze(-1) / speed.std())
    return Sequences(noisy(torch.cat(both, -1), 1e-4), data.actions[:, 1:])


@pytest.mark.parametrize(
    ("record", "positions", "position_size", "state_size"),
    [
        (spring, 1, 1, 2),
        (lambda: spring(0.02), 1, 1, 2),
        (wheel, 1, 2, 4),
        (lambda: wheel(0.02), 1, 2, 4),
        (wheels, 2, 4, 8),
        (table, 2, 2, 4),
        (lambda: table(0.03), 2, 2, 4),
        (ball, 2, 2, 4),
        (lambda: of_velocities(False), 2, 2, 2),
        (lambda: of_velocities(True), 2, 2, 2),
        (of_places_and_speeds, 2, 3, 3),
    ],
)
def test_known_systems_have_their_sizes(
    record: Callable[[], Sequences], positions: int, position_size: int, state_size: int
) -> None:
    sizes = estimate_sizes(look_at(record()))[0]
    assert (sizes.positions, sizes.position_size, sizes.state_size) == (positions, position_size, state_size)
    assert abs(sizes.dimension - positions) < 0.5


def test_readings_lie_on_no_more_dimensions_than_they_are() -> None:
    """Neighbours are far apart and the walls near: as far as their number tells, these lie on more than four."""
    frames = look_at(joints())
    points, owner = frames.points.flatten(0, 1)[frames.distinct], frames.sequence_of[frames.distinct]
    assert measured_dimension(points, owner, frames.squared_noise) > 3.5
    sizes = estimate_sizes(frames)[0]
    assert (sizes.dimension, sizes.positions, sizes.position_size) == (3.0, 3, 3)


@pytest.mark.parametrize(
    ("dimension", "size", "readings", "said"),
    [
        (2.4, 2, False, True),
        (1.65, 1, False, True),
        (2.33, 3, False, False),  # there is room for one more
        (2.1, 2, False, False),
        (2.8, 2, False, False),
        (0.6, 1, False, False),
        (6.5, 6, False, False),
        (2.4, 2, True, False),
    ],
)
def test_a_dimension_between_two_numbers_is_told_as_such(
    dimension: float, size: int, readings: bool, said: bool
) -> None:
    found = words_between(Sizes(dimension, max(1, round(dimension)), size, 2, True, readings))
    assert bool(found) is said and all(f"{dimension:.1f} lies between" in line for line in found)
