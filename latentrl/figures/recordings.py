"""What recorded actions are like: where in their range they lie, and which of them moves a frame on."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import Theme, prepare_axes

MOST_PANELS = 8
"""Dimensions that get a panel of their own."""
BINS = 30


def _draw_coverage(arrays: Arrays, theme: Theme) -> Figure:
    actions, low, high = arrays["actions"], arrays["low"], arrays["high"]
    shown = min(actions.shape[1], MOST_PANELS)
    figure = Figure(figsize=(9.6, 2.1 * ((shown + 1) // 2) + 0.2), layout="constrained")
    panels = figure.subplots((shown + 1) // 2, min(2, shown), squeeze=False).ravel()
    for at, axes in enumerate(panels):
        if at >= shown:
            axes.set_visible(False)
            continue
        prepare_axes(axes, theme, f"action {at}")
        axes.hist(actions[:, at], bins=BINS, color=theme.accent)
        for bound in (low[at], high[at]):
            axes.axvline(bound, color=theme.second, linewidth=1.6)
    return figure


def _draw_lags(arrays: Arrays, theme: Theme) -> Figure:
    figure = Figure(figsize=(9.6, 2.4), layout="constrained")
    axes = figure.subplots()
    prepare_axes(axes, theme, "share of the displacement's rest that an action alone explains, by its lag in steps")
    axes.bar(arrays["lags"], arrays["shares"], width=0.6, color=theme.accent)
    axes.axvline(0, color=theme.second, linewidth=1.2, linestyle=":")
    axes.set_xticks(arrays["lags"])
    axes.set_ylim(0, max(0.02, 1.1 * float(np.max(arrays["shares"]))))
    return figure


ACTION_COVERAGE = Drawing({"actions": ("N", "U"), "low": ("U",), "high": ("U",)}, _draw_coverage)
ACTION_LAGS = Drawing({"lags": ("L",), "shares": ("L",)}, _draw_lags)
