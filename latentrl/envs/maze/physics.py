"""The motion of a point that is pushed about in a room with a wall, as pure functions on arrays of any shape.

The room is the square [-1, 1] x [-1, 1] m, x to the right and y upwards. The wall is a rod of half width r = 0.3 m that
comes out of the left side, at half the height, and ends in a round tip: what is left is a corridor in the shape of a C.

    x'' = force / m - friction x' + stiffness d n - damping [d > 0] x',

with m = 1 kg, friction 2 1/s, and d the depth in a wall, to be left along n: stiffness 60 1/s^2, damping 10 1/s. Walls
give way by a few centimetres and swallow what runs into them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROOM = 1.0
"""Half its width, m."""
WALL_END, WALL_RADIUS = 0.2, 0.3
"""x of the middle of the wall's round tip, and half the wall's width, m."""
MASS = 1.0
FRICTION, STIFFNESS, DAMPING = 2.0, 60.0, 10.0
FORCE = 1.0
"""Largest force in either direction, N: 0.5 m/s in the end."""
CONTROL_STEP, SUBSTEPS = 0.1, 10

Floats = NDArray[np.float64]


def wall_distance(position: Floats) -> Floats:
    """Metres ``[...]`` from ``position [..., 2]`` to the wall between the corridors; negative within it."""
    return np.asarray(np.linalg.norm(_from_axis(position), axis=-1) - WALL_RADIUS)


def contact(position: Floats) -> Floats:
    """How deep a point at ``position [..., 2]`` is in walls, along the way out of them: ``[..., 2]`` m."""
    away = _from_axis(position)
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    # On the wall's very axis both ways are as long: it is left upwards.
    out = np.where(distance > 0, away / np.maximum(distance, 1e-12), np.array([0.0, 1.0]))
    return np.clip(position, -ROOM, ROOM) - position + np.maximum(WALL_RADIUS - distance, 0.0) * out


def advance(position: Floats, velocity: Floats, force: Floats, duration: float = CONTROL_STEP) -> tuple[Floats, Floats]:
    """Position and velocity ``[..., 2]`` in m and m/s, ``duration`` seconds later under a constant ``force [..., 2]``.

    Semi-implicit Euler in `SUBSTEPS` equal steps.
    """
    h = duration / SUBSTEPS
    for _ in range(SUBSTEPS):
        depth = contact(position)
        touching = np.any(depth != 0, axis=-1, keepdims=True)
        velocity = velocity + h * (force / MASS + STIFFNESS * depth)
        velocity = velocity / (1.0 + h * (FRICTION + DAMPING * touching))
        position = position + h * velocity
    return position, velocity


def _from_axis(position: Floats) -> Floats:
    """From the nearest point of the wall's axis to ``position [..., 2]``."""
    return np.stack((np.maximum(position[..., 0] - WALL_END, 0.0), position[..., 1]), -1)
