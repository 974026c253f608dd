"""Where in a plane of two quantities the data has been, and where somebody went since."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import LIGHT, Theme, prepare_axes


def state_coverage(
    seen: NDArray[np.floating],
    path: NDArray[np.floating],
    new: NDArray[np.bool_],
    labels: tuple[str, str] = ("first", "second"),
    theme: Theme = LIGHT,
) -> Figure:
    """Points of the data, and a path over them; rings stand where the data has not been.

    Args:
        seen: of the data, ``[N, 2]``.
        path: in turn, ``[T, 2]``.
        new: which of them lie where the data has none, ``[T]``.
        labels: of the two axes.
        theme: colours.

    Raises:
        ValueError: other shapes.
    """
    if seen.ndim != 2 or seen.shape[1] != 2 or path.shape != (len(new), 2):
        raise ValueError(f"coverage needs seen [N, 2], path [T, 2] and new [T]; got {seen.shape}, {path.shape}")
    figure = Figure(figsize=(9.6, 4.2), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    axes = figure.subplots()
    prepare_axes(axes, theme, "grey: the data; blue: where it went; rings: where the data has never been")
    axes.scatter(seen[:, 0], seen[:, 1], s=3, linewidths=0, color=theme.muted, alpha=0.5)
    axes.scatter(path[:, 0], path[:, 1], s=9, linewidths=0, color=theme.accent)
    axes.scatter(path[new, 0], path[new, 1], s=34, linewidths=1.1, facecolors="none", edgecolors=theme.second)
    axes.set_xlabel(labels[0], fontsize=8.5, color=theme.muted)
    axes.set_ylabel(labels[1], fontsize=8.5, color=theme.muted)
    return figure


def _draw(arrays: Arrays, theme: Theme) -> Figure:
    return state_coverage(arrays["seen"], arrays["path"], arrays["new"] >= 0.5, theme=theme)


STATE_COVERAGE = Drawing({"seen": ("N", 2), "path": ("T", 2), "new": ("T",)}, _draw)
