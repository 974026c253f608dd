"""Slow coordinates: where a thing that moves far is told by no linear map of its pictures."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.coordinates import ENOUGH, read_coordinates, slower_coordinates, telling_coordinates
from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.geometry.slow_coordinates import Landmarks, most_telling, slow_functions, untold
from tests.arms import explained
from tests.discs import disc, drawn


@pytest.fixture(scope="module")
def far() -> tuple[Tensor, Tensor]:
    """Pictures of a disc in a wide field, and where it is ``[200, 10, 2]``."""
    places = 2 * torch.rand(200, 10, 2, generator=torch.Generator().manual_seed(0)) - 1
    return drawn(places), places


def test_what_moves_far_is_told_by_slow_coordinates_and_not_by_leading_ones(far: tuple[Tensor, Tensor]) -> None:
    pictures, places = far
    landmarks = Landmarks(pictures)
    slow, leading = landmarks.slow_coordinates(2), leading_coordinates(pictures, 2)
    assert slow is not None and slow.shape == (200, 10, 2) and slow.dtype == torch.float32
    torch.testing.assert_close(slow.flatten(0, 1).std(0), torch.ones(2), rtol=1e-4, atol=0)
    assert min(explained(slow.flatten(0, 1), where.flatten()) for where in places.unbind(-1)) > 0.9
    assert landmarks.untold(leading) > 5 * landmarks.untold(slow)
    assert torch.equal(read_coordinates(pictures, 2), slow)
    assert slower_coordinates(pictures, leading, share=0.25) is not None, "as a chart these would be wrong"
    assert slower_coordinates(pictures, places) is None, "nothing tells more than the truth"


def test_slow_coordinates_stand_first_for_what_no_leading_one_tells() -> None:
    """Leading coordinates tell where a large thing is that moves a little, not where a small one is that moves far."""
    places = 2 * torch.rand(200, 10, 2, generator=torch.Generator().manual_seed(0)) - 1
    near, far = places.unbind(-1)
    large = disc(8 + 3 * near, torch.full_like(near, 20.0), 24, 40, 32.0)
    small = disc(torch.full_like(far, 20.0), 20 + 18 * far, 24, 40, 4.5)
    pictures = (255 * (0.7 * large + 0.5 * small).clamp(0, 1)).byte().unsqueeze(-1)
    leading, telling = leading_coordinates(pictures, 2), telling_coordinates(pictures, 2)
    assert telling is not None
    kept = [any(torch.equal(one, other) for other in leading.unbind(-1)) for one in telling.unbind(-1)]
    assert kept == [True, False]
    assert min(explained(telling.flatten(0, 1), where.flatten()) for where in (near, far)) > 0.95
    landmarks = Landmarks(pictures)
    assert landmarks.untold(telling) < 0.5 * landmarks.untold(leading)


@pytest.mark.parametrize("distinct", [1, 3, 10, 11])
def test_few_distinct_pictures_have_leading_coordinates(distinct: int) -> None:
    places = torch.linspace(-1, 1, distinct).repeat(40)[:40].view(4, 10, 1).expand(4, 10, 2)
    pictures = drawn(places)
    assert telling_coordinates(pictures, 2) is None and slower_coordinates(pictures, places) is None
    found, leading = read_coordinates(pictures, 2), leading_coordinates(pictures, 2)
    assert found.shape == (4, 10, 2) and torch.equal(found.nan_to_num(), leading.nan_to_num())


def test_frames_between_the_landmarks_are_placed_among_them(far: tuple[Tensor, Tensor]) -> None:
    pictures, places = far
    some = Landmarks(pictures, count=1000).slow_coordinates(2)  # every other frame is a landmark
    assert some is not None
    for where in places.unbind(-1):
        landmarks, between = (explained(some.flatten(0, 1)[n::2], where.flatten()[n::2]) for n in (0, 1))
        assert landmarks > 0.85 and between > landmarks - 0.03


def test_where_leading_coordinates_tell_everything_they_stay() -> None:
    angle = torch.linspace(0, 2 * math.pi, 1500).view(100, 15)
    pictures = drawn(0.5 * torch.stack((angle.sin(), angle.cos()), -1), 16, 16)
    assert Landmarks(pictures).untold(leading_coordinates(pictures, 2)) < ENOUGH
    assert torch.equal(read_coordinates(pictures, 2), leading_coordinates(pictures, 2))
    assert telling_coordinates(pictures, 2) is None
    assert torch.equal(read_coordinates(pictures, 2, searched=True), leading_coordinates(pictures, 2))


def test_equal_frames_are_one_landmark(far: tuple[Tensor, Tensor]) -> None:
    """Frames in which nothing is seen are a group of their own, which would leave no graph of one part."""
    pictures, _ = far
    empty = torch.zeros_like(pictures[:40])
    assert Landmarks(torch.cat((pictures, empty))).slow_coordinates(2) is not None


def test_frames_of_two_cameras_have_no_slow_coordinates(far: tuple[Tensor, Tensor]) -> None:
    """They fall into groups; the leading coordinates are what there is."""
    pictures, _ = far
    both = torch.cat((pictures, 255 - pictures))
    assert Landmarks(both).slow_coordinates(2) is None
    assert torch.equal(read_coordinates(both, 2), leading_coordinates(both, 2))


def test_of_functions_a_harmonic_is_passed_over_and_of_equals_the_slowest_comes_first() -> None:
    g = torch.Generator().manual_seed(0)
    long, short = torch.rand(2, 2000, generator=g).unbind()
    points = torch.stack((3 * long, short), 1)
    harmonics = [(math.pi * n * long).cos() for n in (1, 2, 3)]
    across = (math.pi * short).cos()
    functions = torch.stack((*harmonics, across, (math.pi * 2 * short).cos()), 1)
    chosen, left = next(found for found in most_telling(functions, points) if len(found[0]) == 2)
    assert chosen == [0, 3] and left < 0.01
    found = slow_functions(points)
    assert found is not None and untold(found[:, :1], points) > 0.05
