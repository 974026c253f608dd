"""Figures as they are drawn, without what takes longest."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def drawn(figure: Figure, dpi: int) -> NDArray[np.uint8]:
    """The figure ``[H, W, 4]``, drawn once, and its axes where they are without any layout.

    A file is drawn twice, and laid out before, which takes most of the time; but for layout and transparency it
    shows the same.
    """
    figure.set_layout_engine("none")
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()
