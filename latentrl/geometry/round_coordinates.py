"""Round coordinates: a circle in place of a ring that pictures show with a dent.

A limb that turns is a ring of pictures, and its leading coordinates are nearly a circle. Seen at a slant, or from so
near that it comes towards the camera, they are a ring with a dent: on the way to what lies in it, the straight line to
the goal grows. The slowest functions on the graph of pictures are a circle all the same, for they know the ring by what
lies beside what (Coifman and Lafon 2006).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.geometry.slow_coordinates import Landmarks
from latentrl.geometry.topology import standardised
from latentrl.numerics.least_squares import least_squares, unexplained
from latentrl.numerics.pieces import spread_frames

DENT = 0.5
"""A ring is dented if some of it is nearer to its centre than this share of its usual radius."""
BENT = 0.03
"""Share of the leading coordinates that a linear map of the circle leaves untold, from which on they bend it: of
three rings without a dent it is 0.008 to 0.014, of one with a dent 0.115."""
FEW = 0.01
"""Share of the points that say nothing: single pictures may lie anywhere."""
THIN = 0.1
"""Points of a circle of radius one are no further from it."""
GAP = math.pi / 4
"""Of a whole circle, rad, that may be without a point: an arc is no ring."""
SAMPLE = 5_000
"""Places that are looked at."""


class Ellipse(NamedTuple):
    """``centre [2]``, and the matrix ``shape [2, 2]`` that maps what lies around it onto a circle; float64."""

    centre: Tensor
    shape: Tensor

    def as_circle(self, points: Tensor) -> Tensor:
        """``points [..., 2]``, seen from the centre, in coordinates in which the ellipse is the unit circle."""
        return (points.double() - self.centre) @ self.shape


def round_coordinates(landmarks: Landmarks, leading: Tensor) -> Tensor | None:
    """Pictures on a circle ``[N, T, 2]`` float32, each coordinate with mean zero and unit variance.

    Args:
        landmarks: of the pictures.
        leading: the leading two coordinates of all of them ``[N, T, 2]``.

    Returns:
        None: the leading coordinates have no dent, or hardly any, or the pictures are no ring.
    """
    if not dented(spread_frames(leading, SAMPLE)):
        return None
    slow = landmarks.slow_coordinates(2)
    found = None if slow is None else circle_of(spread_frames(slow, SAMPLE))
    if slow is None or found is None:
        return None
    around = found.as_circle(slow)
    places = standardised((around / around.norm(dim=-1, keepdim=True).clamp(min=1e-12)).float())
    return places if unexplained(places.flatten(0, 1), standardised(leading).flatten(0, 1)) > BENT else None


def dented(points: Tensor) -> bool:
    """Whether ``points [L, 2]`` come near the middle of what they go around.

    That is the nearest ellipse's, and the points' mean only where there is none: a ring that is seen in one place more
    than in others is not dented.
    """
    found = ellipse_of(points)
    around = points - points.mean(0) if found is None else found.as_circle(points)
    radius = around.norm(dim=1)
    return bool(radius.quantile(FEW) < DENT * radius.median())


def circle_of(points: Tensor) -> Ellipse | None:
    """The :func:`ellipse_of` ``points [L, 2]``, if they lie on it, and all around; else None."""
    found = ellipse_of(points)
    if found is None:
        return None
    around = found.as_circle(points)
    near = (around.norm(dim=1) - 1).abs() < THIN
    if near.double().mean() < 1 - FEW:
        return None
    angle = torch.atan2(around[near, 1], around[near, 0]).sort().values
    gaps = torch.cat((angle.diff(), angle[:1] + 2 * math.pi - angle[-1:]))
    return found if gaps.max() < GAP else None


def ellipse_of(points: Tensor) -> Ellipse | None:
    """The conic that is nearest to ``points [L, 2]``, by least squares, if it is an ellipse; else None."""
    # Coordinates of pictures that are all alike are no numbers.
    if not points.isfinite().all():
        return None
    # From a point within: seen from outside, the same curve has another sign.
    middle = points.double().mean(0)
    x, y = (points.double() - middle).unbind(1)
    ones = torch.ones_like(x).unsqueeze(1)
    a, b, c, d, e = least_squares(torch.stack((x * x, x * y, y * y, x, y), 1), ones).squeeze(1).tolist()
    form = torch.tensor(((a, b / 2), (b / 2, c)), dtype=torch.float64)
    if not (form.isfinite().all() and a > 0 and 4 * a * c > b * b):
        return None
    beside = -torch.linalg.solve(form, torch.tensor((d, e), dtype=torch.float64)) / 2
    return Ellipse(middle + beside, torch.linalg.cholesky(form / (1 + beside @ form @ beside)))
