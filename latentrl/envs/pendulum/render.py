"""A picture of the pendulum for people, drawn with Pillow: no OpenGL and no window system."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

BACKGROUND = (250, 250, 248)
RAIL = (226, 226, 222)
ROD = (38, 70, 83)
BOB = (231, 111, 81)
TORQUE = (42, 157, 143)
SUPERSAMPLING = 3


def render(angle: float, torque: float, torque_limit: float, size: int) -> NDArray[np.uint8]:
    """The pendulum at ``angle`` (0 up, counter-clockwise positive) with an arc for the torque acting on it.

    Args:
        angle: rad.
        torque: N m; the arc is half a turn long at ``torque_limit``.
        torque_limit: N m.
        size: height and width of the picture in pixels.

    Returns:
        RGB ``[size, size, 3]`` uint8.
    """
    side = size * SUPERSAMPLING
    image = Image.new("RGB", (side, side), BACKGROUND)
    canvas = ImageDraw.Draw(image)
    centre, length = side / 2, 0.37 * side
    tip = (centre - length * math.sin(angle), centre - length * math.cos(angle))

    _ring(canvas, centre, length, width=max(1, side // 160))
    _torque_arc(canvas, centre, 0.17 * side, torque / torque_limit, width=max(1, side // 50))
    canvas.line([(centre, centre), tip], fill=ROD, width=max(1, side // 28))
    _disc(canvas, (centre, centre), 0.028 * side, ROD)
    _disc(canvas, (centre, centre), 0.012 * side, BACKGROUND)
    _disc(canvas, tip, 0.068 * side, BOB)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)).copy()


def _disc(canvas: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, colour: tuple[int, int, int]) -> None:
    canvas.ellipse([at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius], fill=colour)


def _ring(canvas: ImageDraw.ImageDraw, centre: float, radius: float, width: int) -> None:
    low, high = centre - radius, centre + radius
    canvas.ellipse([low, low, high, high], outline=RAIL, width=width)


def _torque_arc(canvas: ImageDraw.ImageDraw, centre: float, radius: float, share: float, width: int) -> None:
    """An arc from straight up, towards the side the torque pushes to, with an arrow head at its end."""
    sweep = 180.0 * max(-1.0, min(1.0, share))
    if abs(sweep) < 2.0:
        return
    low, high = centre - radius, centre + radius
    end = -90.0 - sweep
    canvas.arc([low, low, high, high], min(-90.0, end), max(-90.0, end), fill=TORQUE, width=width)

    ray = math.radians(end)
    outwards = np.array([math.cos(ray), math.sin(ray)])
    forwards = math.copysign(1.0, sweep) * np.array([math.sin(ray), -math.cos(ray)])
    foot = centre + (radius - width / 2) * outwards
    corners = [foot + 1.6 * width * outwards, foot - 1.6 * width * outwards, foot + 2.6 * width * forwards]
    canvas.polygon([(float(x), float(y)) for x, y in corners], fill=TORQUE)
