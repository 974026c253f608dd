"""How well points in a plane tell an angle: their own polar angle, and a line through it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def circle_centre(points: Floats) -> NDArray[np.float64]:
    """The centre ``[2]`` of the circle that fits ``points [N, 2]`` best, by least squares (Kasa, 1976)."""
    design = np.column_stack((2 * points, np.ones(len(points)))).astype(np.float64)
    solution, *_ = np.linalg.lstsq(design, np.square(points, dtype=np.float64).sum(1), rcond=None)
    return solution[:2]


def wrapped(angle: Floats) -> NDArray[np.float64]:
    """``angle [...]`` in [-pi, pi)."""
    return (np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi


def polar_angle_error(points: Floats, angle: Floats) -> float:
    """Mean absolute error in radians of ``angle [N]``, told by the polar angle of ``points [N, 2]``; pi / 2 by chance.

    As in section 3.5.1.1 and Table 3.1: ordinary least squares on the polar angle around the fitted circle's centre.
    An angle is cut where the other one is, of the two directions of turning the better is taken, and errors go the
    shorter way. The source takes the arcsine, which tells half of a circle.
    """
    centre = circle_centre(points)
    polar = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
    return min(_line_error(polar, angle), _line_error(-polar, angle))


def _line_error(polar: Floats, angle: Floats) -> float:
    apart = np.exp(1j * (np.asarray(angle, np.float64) - polar)).mean()
    offset = np.angle(apart)
    target = polar + offset + wrapped(angle - polar - offset)
    design = np.column_stack((np.ones(len(polar)), polar)).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    return float(np.abs(wrapped(angle - design @ coefficients)).mean())
