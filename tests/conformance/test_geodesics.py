"""What everything that finds geodesics must hold, whoever wrote it: one battery for all of `GEODESICS`.

Those at the end break a promise each, and are found out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from latentrl.geometry.geodesics import GEODESICS, Curves, DiscretisedCurve, Geodesics, MakesGeodesics
from latentrl.geometry.metric import chord, curve_length
from tests.surfaces import LARGE, SMALL, sphere, sphere_distance, torus

LOOSE = {"graph": 0.05, "network": 0.02}
"""Of lengths, where more than this is allowed: a path has corners, and what is learned is not learned to the end."""
TIGHT = 0.002


def drawn(count: int, seed: int) -> Tensor:
    """Points of the sphere's chart, no two half a turn apart."""
    some = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.tensor([0.5, 0.0], dtype=torch.float64) + some * torch.tensor([2.1, 2.6], dtype=torch.float64)


START, END = drawn(4, 1), drawn(4, 2)
NODES = drawn(900, 0)
AROUND = torch.rand(900, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2.4 - 0.7


@pytest.fixture(scope="module", params=list(GEODESICS))
def found(request: pytest.FixtureRequest) -> Iterator[tuple[str, Geodesics, Curves]]:
    """A finder by name, made for the sphere, and what it finds between the points."""
    made = GEODESICS[request.param](sphere, NODES)
    yield request.param, made, made(START, END)


def test_ends_stay_where_they_are(found: tuple[str, Geodesics, Curves]) -> None:
    _, _, curves = found
    assert curves.points.shape[0] == 4 and curves.points.shape[2] == 2 and curves.lengths.shape == (4,)
    assert torch.equal(curves.points[:, 0], START) and torch.equal(curves.points[:, -1], END)
    assert curves.points.isfinite().all() and not curves.points.requires_grad and not curves.lengths.requires_grad


def test_lengths_are_those_of_great_circles(found: tuple[str, Geodesics, Curves]) -> None:
    name, _, curves = found
    ratio = curves.lengths / sphere_distance(START, END)
    assert ratio.min() > 0.995 and ratio.max() < 1 + LOOSE.get(name, TIGHT), ratio


def test_no_curve_is_longer_than_the_chord(found: tuple[str, Geodesics, Curves]) -> None:
    name, _, curves = found
    lines = curve_length(sphere, chord(START, END, 200))
    assert (curves.lengths <= lines * (1 + LOOSE.get(name, 1e-3))).all()


def test_a_length_is_that_of_its_curve(found: tuple[str, Geodesics, Curves]) -> None:
    _, _, curves = found
    torch.testing.assert_close(curve_length(sphere, curves.points), curves.lengths, rtol=0.02, atol=0)


def test_the_way_back_is_as_long(found: tuple[str, Geodesics, Curves]) -> None:
    name, made, curves = found
    back = made(END, START)
    torch.testing.assert_close(back.lengths, curves.lengths, rtol=LOOSE.get(name, TIGHT), atol=0)


@pytest.mark.parametrize("name", [name for name in GEODESICS if name != "network"])
def test_the_same_question_has_the_same_answer(name: str) -> None:
    """A network's too, which `tests/geometry/test_geodesics.py` asks a smaller one."""
    made = GEODESICS[name](sphere, NODES)
    assert torch.equal(made(START, END).points, made(START, END).points)


def test_ends_that_are_none_are_refused(found: tuple[str, Geodesics, Curves]) -> None:
    _, made, _ = found
    for start, end in ((START[0], END[0]), (START, END[:2]), (START, END * torch.nan)):
        with pytest.raises(ValueError, match="must"):
            made(start, end)


@pytest.mark.parametrize("name", list(GEODESICS))
def test_circles_of_a_torus_are_geodesics(name: str) -> None:
    """Its outer equator, short of where a shorter way branches off, and one through its hole."""
    start = torch.tensor([[-0.5, 0.0], [0.3, -0.4]], dtype=torch.float64)
    end = torch.tensor([[0.6, 0.0], [0.3, 1.2]], dtype=torch.float64)
    assert 1.1 * (LARGE + SMALL) < math.pi * math.sqrt(SMALL * (LARGE + SMALL)), "before the first conjugate point"
    exact = torch.tensor([1.1 * (LARGE + SMALL), 1.6 * SMALL], dtype=torch.float64)
    ratio = GEODESICS[name](torus, AROUND)(start, end).lengths / exact
    assert ratio.min() > 0.995 and ratio.max() < 1 + LOOSE.get(name, TIGHT), ratio


class Chords(DiscretisedCurve):
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        found = chord(start, end, 17)
        return Curves(found, curve_length(self.decoder, found))


class Loose(DiscretisedCurve):
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        found = super().__call__(start, end)
        return Curves(found.points + 1e-3, found.lengths)


class Boasting(DiscretisedCurve):
    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        found = super().__call__(start, end)
        return Curves(found.points, 0.9 * found.lengths)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Chords, test_lengths_are_those_of_great_circles),
        (Loose, test_ends_stay_where_they_are),
        (Boasting, test_a_length_is_that_of_its_curve),
    ],
    ids=lambda part: part.__name__,
)
def test_the_checks_find_what_is_wrong(broken: MakesGeodesics, check: Callable[..., None]) -> None:
    made = broken(sphere, NODES)
    with pytest.raises(AssertionError):
        check(("broken", made, made(START, END)))
