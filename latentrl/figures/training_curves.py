"""Training curves: constraint, beta, rate and distortion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from latentrl.figures.base import Drawing
from latentrl.figures.theme import LIGHT, Theme, prepare_axes

HISTORY_COLUMNS = ("step", "constraint", "bound", "beta", "rate", "distortion")
"""What `training_curves` reads of a run's history."""


def rolling_median(values: np.ndarray, window: int) -> np.ndarray:
    """Centred running median ``[N]`` of ``values [N]``; the window (made odd) shrinks towards the ends."""
    half = min(max(window, 1), len(values)) // 2
    padded = np.pad(values.astype(float), half, constant_values=np.nan)
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)


def training_curves(history: Mapping[str, np.ndarray], theme: Theme = LIGHT, dimension: str = "pixel") -> Figure:
    """Constraint against its bound, beta, rate and distortion over training steps.

    Args:
        history: columns ``[N]`` named in `HISTORY_COLUMNS`; rate and distortion in nats per time step.
        theme: colours.
        dimension: what an observation has many of, for the title.

    Raises:
        ValueError: a column is missing or no step was logged.
    """
    missing = [name for name in HISTORY_COLUMNS if name not in history]
    if missing or not len(history["step"]):
        raise ValueError(
            f"training curves need a history with rows of {', '.join(HISTORY_COLUMNS)}; missing: {missing}"
        )
    step, bound = np.asarray(history["step"]), np.asarray(history["bound"])
    figure = Figure(figsize=(9.6, 5.2), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    grid = figure.subplots(2, 2, sharex=True)
    panels = (
        ("constraint", f"squared error per {dimension} C, and its bound κ²", theme.accent, True),
        ("beta", "weight of the rate β", theme.accent, True),
        ("rate", "rate, nats per time step", theme.accent, False),
        ("distortion", "distortion, nats per time step", theme.accent, False),
    )
    reached = np.flatnonzero(np.asarray(history["constraint"]) <= bound)
    for axes, (name, title, colour, logarithmic) in zip(grid.flat, panels, strict=True):
        values = np.asarray(history[name], dtype=float)
        prepare_axes(axes, theme, title)
        axes.plot(step, values, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(step, rolling_median(values, len(values) // 100 + 1), color=colour, linewidth=1.6)
        if logarithmic and (values > 0).any():
            axes.set_yscale("log")
        elif len(values) > 20:  # the first steps dwarf all that follows
            low, high = np.nanpercentile(values[len(values) // 20 :], (0.5, 99.5))
            margin = 0.1 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)
        if len(reached):
            axes.axvline(step[reached[0]], color=theme.muted, linewidth=0.9, linestyle=(0, (3, 3)))
    grid[0, 0].plot(step, bound, color=theme.second, linewidth=1.4)
    grid[0, 0].annotate(
        "κ²",
        (step[-1], bound[-1]),
        xytext=(-4, 5),
        textcoords="offset points",
        ha="right",
        color=theme.second,
        fontsize=9,
    )
    for axes in grid[1]:
        axes.set_xlabel("training step", fontsize=8.5, color=theme.muted)
    return figure


TRAINING_CURVES = Drawing(dict.fromkeys(HISTORY_COLUMNS, ("N",)), training_curves)
