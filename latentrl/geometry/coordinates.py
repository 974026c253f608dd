"""Coordinates of pictures: as many as the position has, read off without a label, the simplest that tell it."""

from __future__ import annotations

from torch import Tensor

from latentrl.geometry.leading_coordinates import leading_coordinates
from latentrl.geometry.slow_coordinates import Landmarks

ENOUGH = 0.03
"""Share of the pictures' variance that leading coordinates may leave untold before others are looked for."""
BETTER = 0.5
"""Of what leading coordinates leave untold, at most, for slow ones to take their place."""


def read_coordinates(observations: Tensor, count: int) -> Tensor:
    """The leading coordinates of pictures, or the slow ones where those do not tell them apart and these do.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: coordinates.

    Returns:
        ``[N, T, count]`` float32, each of unit variance.
    """
    leading = leading_coordinates(observations, count)
    slow = slower_coordinates(observations, leading)
    return leading if slow is None else slow.to(leading.device)


def slower_coordinates(observations: Tensor, places: Tensor, share: float = BETTER) -> Tensor | None:
    """As many slow coordinates as ``places [N, T, K]``, if those do not tell the pictures apart and these do.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        places: coordinates of the pictures.
        share: of what ``places`` leave untold, that slow coordinates may leave at most.
    """
    landmarks = Landmarks(observations)
    left = landmarks.untold(places)
    if left <= ENOUGH:
        return None
    slow = landmarks.slow_coordinates(places.shape[-1])
    return slow if slow is not None and landmarks.untold(slow) <= share * left else None
