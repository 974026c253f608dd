"""A picture of the arm for people, from the side and from above, drawn with Pillow: no OpenGL and no window system."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from latentrl.envs.six_joint_arm.circle import CENTRE, circle_position

BACKGROUND, RAIL, LINK, TIP = (250, 250, 248), (200, 204, 206), (38, 70, 83), (231, 111, 81)
SIZE, SUPERSAMPLING = 256, 3
WIDTH = 1.8
"""Of what each picture shows, m."""
VIEWS = ((0, 2, CENTRE[0], 0.45), (0, 1, CENTRE[0], 0.0))
"""Axes across and upwards, and the middle of the picture along them: from the side, from above."""


def render(skeleton: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The arm, and the circle that its tip goes round.

    Args:
        skeleton: foot, shoulder, elbow, wrist and tip ``[5, 3]``, m.

    Returns:
        RGB ``[SIZE, 2 SIZE, 3]`` uint8.
    """
    side = SIZE * SUPERSAMPLING
    circle = circle_position(np.linspace(0, 2 * np.pi, 100))
    views = []
    for across, up, middle, height in VIEWS:
        image = Image.new("RGB", (side, side), BACKGROUND)
        canvas = ImageDraw.Draw(image)

        def placed(
            points: NDArray[np.float64],
            axes: tuple[int, int] = (across, up),
            at: tuple[float, float] = (middle, height),
        ) -> list[tuple[float, float]]:
            x, y = ((points[:, axis] - centre) / WIDTH * side for axis, centre in zip(axes, at, strict=True))
            return [(float(side / 2 + a), float(side / 2 - b)) for a, b in zip(x, y, strict=True)]

        canvas.line(placed(circle), fill=RAIL, width=side // 120)
        canvas.line(placed(skeleton), fill=LINK, width=side // 40, joint="curve")
        ((x, y),) = placed(skeleton[-1:])
        canvas.ellipse([x - side / 50, y - side / 50, x + side / 50, y + side / 50], fill=TIP)
        views.append(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX)))
    return np.concatenate(views, axis=1)
