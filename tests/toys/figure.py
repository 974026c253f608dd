"""A figure: one line."""

from __future__ import annotations

from matplotlib.figure import Figure

from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import Theme


def _line(arrays: Arrays, theme: Theme) -> Figure:
    figure = Figure()
    figure.subplots().plot(arrays["x"], arrays["y"], color=theme.ink)
    return figure


TOY_FIGURE = Drawing({"x": ("N",), "y": ("N",)}, _line)
