"""Round coordinates: a ring that is drawn with a dent is a circle by what lies beside what."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import latentrl.geometry.round_coordinates as module
from latentrl.geometry.coordinates import read_coordinates
from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.geometry.round_coordinates import circle_of, dented, round_coordinates
from latentrl.geometry.slow_coordinates import Landmarks
from latentrl.models import build
from latentrl.models.spec import DataSpec
from latentrl.numerics.least_squares import unexplained
from latentrl.training.building import first_target
from latentrl.training.settings import TrainSettings
from latentrl.types import Sequences
from tests.discs import drawn

SLANT = torch.tensor(((2.0, 0.0), (0.9, 0.4)), dtype=torch.float64)
MIDDLE = torch.tensor((3.0, -1.0), dtype=torch.float64)


def circle(angle: Tensor) -> Tensor:
    return torch.stack((angle.cos(), angle.sin()), -1)


def turned(depth: float) -> tuple[Tensor, Tensor]:
    """Pictures ``[100, 15, 16, 16, 1]`` of a disc on a ring with a dent as deep as ``depth`` of the way to the middle,
    and how far it has come along it, as an angle ``[100, 15]``."""
    angle = 2 * math.pi * torch.rand(100, 15, generator=torch.Generator().manual_seed(0))

    def place(angle: Tensor) -> Tensor:
        near = torch.atan2(angle.sin(), angle.cos())
        return 0.8 * (1 - depth * torch.exp(-((near / 0.8) ** 2))).unsqueeze(-1) * circle(angle)

    grid = torch.linspace(0, 2 * math.pi, 2000)
    along = torch.cat((torch.zeros(1), place(grid).diff(dim=0).norm(dim=-1).cumsum(0)))
    index = (angle / (2 * math.pi) * 1999).long()
    return drawn(place(angle), 16, 16), 2 * math.pi * along[index] / along[-1]


def test_an_ellipse_is_mapped_onto_the_unit_circle() -> None:
    angle = torch.linspace(0, 2 * math.pi, 400, dtype=torch.float64)[:-1]
    points = circle(angle) @ SLANT + MIDDLE
    found = circle_of(points.float())
    assert found is not None
    centre, shape = found
    torch.testing.assert_close(centre, MIDDLE, atol=1e-4, rtol=0)
    torch.testing.assert_close(((points - centre) @ shape).norm(dim=1), torch.ones_like(angle), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["arc", "strays", "parabola", "disc", "thick", "line", "point"])
def test_what_is_no_ring_is_on_no_circle(kind: str) -> None:
    share = torch.rand(2, 1000, generator=torch.Generator().manual_seed(0))
    points = {
        "arc": circle(1.6 * math.pi * share[0]),
        "parabola": torch.stack((share[0], share[0] ** 2), -1),
        "disc": circle(2 * math.pi * share[0]) * share[1].sqrt().unsqueeze(-1),
        "strays": torch.cat((circle(1.6 * math.pi * share[0]), 0.3 * circle(-0.4 * math.pi * share[1, :8]))),
        "thick": circle(2 * math.pi * share[0]) * (1 + 0.5 * (share[1] - 0.5)).unsqueeze(-1),
        "line": torch.stack((share[0], 2 * share[0]), -1),
        "point": torch.ones(1000, 2),
    }[kind]
    assert circle_of(points) is None


def test_a_dented_ring_is_drawn_to_a_circle_and_a_round_one_stays() -> None:
    for depth, dent in ((0.0, False), (1.1, True)):
        pictures, angle = turned(depth)
        leading = leading_coordinates(pictures, 2)
        assert dented(leading.flatten(0, 1)) is dent
        found = round_coordinates(Landmarks(pictures), leading)
        assert (found is not None) is dent
        read = read_coordinates(pictures, 2, 1)
        assert torch.equal(read, leading if found is None else found)
        assert torch.equal(read_coordinates(pictures, 2, 1, searched=True), read)
        if found is None:
            continue
        assert found.shape == (100, 15, 2) and found.dtype == torch.float32
        torch.testing.assert_close(found.flatten(0, 1).std(0), torch.ones(2), rtol=1e-4, atol=0)
        places = circle(angle).flatten(0, 1)
        wanted = (places - places.mean(0)) / places.std(0)
        before, after = (float(unexplained(one.flatten(0, 1), wanted)) for one in (leading, found))
        assert after < 0.01 and before > 0.08
        assert circle_of(found.flatten(0, 1)) is not None


@pytest.mark.parametrize("gathered", [1.0, 4.0])
def test_a_round_ring_stays_that_is_mostly_seen_in_one_place(gathered: float) -> None:
    """As of a limb that mostly hangs: its mean lies beside its middle."""
    torch.manual_seed(0)
    angle = torch.distributions.VonMises(torch.tensor(0.0), torch.tensor(gathered)).sample((200, 15))
    angle[:40] = 2 * math.pi * torch.rand(40, 15)
    pictures = drawn(0.6 * circle(angle), 16, 16)
    assert round_coordinates(Landmarks(pictures), leading_coordinates(pictures, 2)) is None


def test_a_dent_that_hardly_bends_the_circle_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, _ = turned(1.1)
    leading = leading_coordinates(pictures, 2)
    monkeypatch.setattr(module, "BENT", 0.5)
    assert dented(leading.flatten(0, 1)) and round_coordinates(Landmarks(pictures), leading) is None


def test_a_training_draws_its_position_to_the_circle() -> None:
    pictures, _ = turned(1.1)
    data = Sequences(pictures, torch.zeros(100, 14, 1))
    for state_size, wanted in (
        (3, round_coordinates(Landmarks(pictures), leading_coordinates(pictures, 2))),
        (4, None),
    ):
        settings = {"state_size": state_size, "position_size": 2, "hidden": [8]}
        model = build("ekvae", DataSpec.of(data), settings)
        components = first_target(model, data, TrainSettings(), 2).components
        assert components is not None
        assert torch.equal(components, leading_coordinates(pictures, 2) if wanted is None else wanted)


def test_what_may_move_in_two_directions_is_no_ring() -> None:
    """Nobody knows that a point that has two velocities goes around."""
    pictures, _ = turned(1.1)
    for directions in (2, None):
        assert torch.equal(read_coordinates(pictures, 2, directions), leading_coordinates(pictures, 2))


def test_an_arc_with_a_dent_stays() -> None:
    pictures, angle = turned(1.1)
    some = pictures.flatten(0, 1)[((angle > 0) & (angle < 4)).flatten()]
    some = some[: len(some) // 10 * 10].unflatten(0, (-1, 10))
    assert torch.equal(read_coordinates(some, 2, 1), leading_coordinates(some, 2))


@pytest.mark.parametrize("distinct", [1, 3, 12])
def test_few_distinct_pictures_stay(distinct: int) -> None:
    pictures, _ = turned(1.1)
    few = pictures.flatten(0, 1)[torch.arange(400) % distinct].unflatten(0, (40, 10))
    assert torch.equal(read_coordinates(few, 2, 1).nan_to_num(), leading_coordinates(few, 2).nan_to_num())
