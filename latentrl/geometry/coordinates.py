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
    landmarks = Landmarks(observations)
    left = landmarks.untold(leading)
    if left <= ENOUGH:
        return leading
    slow = landmarks.slow_coordinates(count)
    return leading if slow is None or landmarks.untold(slow) > BETTER * left else slow.to(leading.device)
