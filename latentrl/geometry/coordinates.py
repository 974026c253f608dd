"""Coordinates of pictures: as many as the position has, read off without a label, the straightest that tell it."""

from __future__ import annotations

from torch import Tensor

from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.geometry.neighbour_graph import NoChartError
from latentrl.geometry.round_coordinates import round_coordinates
from latentrl.geometry.slow_coordinates import Landmarks

ENOUGH = 0.02
"""Share of the pictures' variance that coordinates may leave untold before others are looked for."""
BETTER = 0.5
"""Of what coordinates leave untold, at most, for less straight ones to take their place."""
AROUND = (2, 1)
"""Coordinates of a ring, and directions in which a point moves on it."""
HARMONICS = 2
"""Leading coordinates that are looked at, for each that is wanted: some are harmonics of others."""


def read_coordinates(observations: Tensor, count: int, directions: int | None = None, searched: bool = False) -> Tensor:
    """The leading coordinates of pictures, or others where those do not tell them apart, by
    :func:`telling_coordinates`, or bend what is round, by :func:`round_coordinates`.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: coordinates.
        directions: in which a picture's position moves, the velocities of a model; as many as coordinates if None.
        searched: whether it is known that :func:`telling_coordinates` has none: the search is not repeated.

    Returns:
        ``[N, T, count]`` float32, each of unit variance.
    """
    may_be_round = (count, directions) == AROUND
    landmarks = None if searched and not may_be_round else _landmarks(observations)
    telling = None if searched else _telling(observations, count, landmarks)
    if telling is not None:
        return telling.to(observations.device)
    leading = leading_coordinates(observations, count)
    if landmarks is None or not may_be_round:
        return leading
    around = round_coordinates(landmarks, leading.cpu())
    return leading if around is None else around.to(leading)


def telling_coordinates(observations: Tensor, count: int) -> Tensor | None:
    """Coordinates that tell pictures apart of which the leading ones do not; None where those do, or nothing else does.

    None too where there are too few distinct pictures to compare.

    Leading coordinates are nearly straight, slow ones are not. So slow ones stand first for what no leading one tells,
    as the side on which a thin pole leans, and for all only where that does not do.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: coordinates.
    """
    return _telling(observations, count, _landmarks(observations))


def slower_coordinates(observations: Tensor, places: Tensor, share: float = BETTER) -> Tensor | None:
    """As many slow coordinates as ``places [N, T, K]``, if those do not tell the pictures apart and these do.

    None too where there are too few distinct pictures to compare.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        places: coordinates of the pictures.
        share: of what ``places`` leave untold, that slow coordinates may leave at most.
    """
    return _telling_more(_landmarks(observations), places, (None,), share)


def _landmarks(observations: Tensor) -> Landmarks | None:
    """Those of pictures; None where hardly any differ."""
    try:
        return Landmarks(observations)
    except NoChartError:
        return None


def _telling(observations: Tensor, count: int, landmarks: Landmarks | None) -> Tensor | None:
    if landmarks is None:
        return None
    leading = leading_coordinates(observations, HARMONICS * count)
    return _telling_more(landmarks, leading[..., :count], (leading, None), BETTER)


def _telling_more(
    landmarks: Landmarks | None, places: Tensor, firsts: tuple[Tensor | None, ...], share: float
) -> Tensor | None:
    """The last of those tried, with ``firsts`` in turn, that leave ``share`` at most of what the ones before leave.

    None where ``places`` leave no more than `ENOUGH`, or where nothing does better.
    """
    if landmarks is None:
        return None
    found, left = None, landmarks.untold(places)
    for first in firsts:
        if left <= ENOUGH:
            break
        other = landmarks.slow_coordinates(places.shape[-1], first)
        if other is None:
            break
        untold = landmarks.untold(other)
        if untold <= share * left:
            found, left = other, untold
    return found
