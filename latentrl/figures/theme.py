"""The pictures of a run, as pure functions from arrays to Matplotlib figures; nothing is shown and no state is kept."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours on a transparent background: ``ink`` and ``muted`` for text, ``faint`` for grids, two for curves."""

    ink: str
    muted: str
    faint: str
    accent: str
    second: str


LIGHT = Theme(ink="#1c2330", muted="#667085", faint="#e4e7ec", accent="#2f6fdb", second="#d9622b")
DARK = Theme(ink="#e6e9ef", muted="#98a2b3", faint="#2b3240", accent="#6ea8ff", second="#ff9a5c")


def to_png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG bytes with a transparent background."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    return buffer.getvalue()


def prepare_axes(axes: Axes, theme: Theme, title: str) -> None:
    """A title to the left, a faint grid behind the curves, no frame."""
    axes.set_title(title, loc="left", fontsize=9.5, color=theme.ink, pad=8)
    axes.set_axisbelow(True)
    axes.grid(True, color=theme.faint, linewidth=0.8)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0, which="both")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.margins(x=0.01)


def wrap(angle: np.ndarray) -> np.ndarray:
    """``angle`` (radians) in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
