"""A picture of the maze for people, with its wall, drawn with Pillow: no OpenGL and no window system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentrl.envs.maze.physics import ROOM, WALL_END, WALL_RADIUS

BACKGROUND = (250, 250, 248)
WALL = (198, 202, 204)
POINT = (231, 111, 81)
MARGIN = 0.12
"""Of the room's half width, around it."""
SUPERSAMPLING = 3


def render(position: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """The room from above with a point at ``position [2]``, m.

    Args:
        position: x to the right, y upwards.
        size: height and width of the picture in pixels.

    Returns:
        RGB ``[size, size, 3]`` uint8.
    """
    side = size * SUPERSAMPLING
    image = Image.new("RGB", (side, side), WALL)
    canvas = ImageDraw.Draw(image)
    scale = side / (2 * ROOM * (1 + MARGIN))

    def box(low: tuple[float, float], high: tuple[float, float]) -> list[float]:
        return [
            scale * low[0] + side / 2,
            side / 2 - scale * high[1],
            scale * high[0] + side / 2,
            side / 2 - scale * low[1],
        ]

    canvas.rectangle(box((-ROOM, -ROOM), (ROOM, ROOM)), fill=BACKGROUND)
    canvas.rectangle(box((-ROOM, -WALL_RADIUS), (WALL_END, WALL_RADIUS)), fill=WALL)
    canvas.ellipse(box((WALL_END - WALL_RADIUS, -WALL_RADIUS), (WALL_END + WALL_RADIUS, WALL_RADIUS)), fill=WALL)
    x, y = float(position[0]), float(position[1])
    canvas.ellipse(box((x - 0.06, y - 0.06), (x + 0.06, y + 0.06)), fill=POINT)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)).copy()
