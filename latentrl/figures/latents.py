"""Pictures of what a model knows about an arm of two joints."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.theme import LIGHT, Theme, prepare_axes, wrap

LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8.5}


def arm_latents(positions: np.ndarray, shoulder: np.ndarray, wrist: np.ndarray, theme: Theme = LIGHT) -> Figure:
    """Latent positions of held-out sequences, coloured by the shoulder's true angle and by the wrist's.

    Args:
        positions: ``[N, D]``, D at least 2; of more than three dimensions the three main axes are shown.
        shoulder: ``[N]`` radians, any number of turns.
        wrist: ``[N]`` radians.
        theme: colours of the labels.

    Raises:
        ValueError: other shapes.
    """
    if positions.ndim != 2 or positions.shape[1] < 2 or not len(positions) == len(shoulder) == len(wrist):
        shapes = (positions.shape, shoulder.shape, wrist.shape)
        raise ValueError(f"an arm's latents need positions [N, 2 or more], shoulder [N] and wrist [N]; got {shapes}")
    points = _main_axes(positions, 3)
    farthest = float(np.abs(wrist).max())
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    panels = (
        ("coloured by the shoulder's angle, modulo a turn", wrap(shoulder), cyclic(), np.pi),
        ("coloured by the wrist's angle", wrist, diverging(), farthest),
    )
    for column, (title, values, colours, limit) in enumerate(panels, start=1):
        look: dict[str, Any] = {"c": values, "cmap": colours, "vmin": -limit, "vmax": limit, "linewidths": 0}
        if points.shape[1] == 3:
            solid = figure.add_subplot(1, 2, column, projection="3d")
            solid.scatter(points[:, 0], points[:, 1], points[:, 2], s=3, **look)
            solid.set_title(title, fontsize=9.5, color=theme.ink)
            solid.view_init(elev=22, azim=35)
            solid.set_box_aspect((1, 1, 1), zoom=1.35)
            solid.set_axis_off()
        else:
            flat = figure.add_subplot(1, 2, column)
            prepare_axes(flat, theme, title)
            flat.scatter(points[:, 0], points[:, 1], s=3, **look)
            flat.set_xlabel("position 1", fontsize=8.5, color=theme.muted)
            flat.set_ylabel("position 2", fontsize=8.5, color=theme.muted)
    return figure


def joint_predictions(
    true: np.ndarray, predicted: np.ndarray, control_step: float, context: int = 5, theme: Theme = LIGHT
) -> Figure:
    """The joint angles of held-out sequences: what happened, and what the model predicted open loop.

    Args:
        true: ``[K, T, 2]`` radians, shoulder and wrist.
        predicted: the same shape.
        control_step: seconds between two observations.
        context: how many first observations the model inferred its first state from; they are shaded.
        theme: colours.

    Raises:
        ValueError: other shapes.
    """
    if true.ndim != 3 or true.shape[2] != 2 or true.shape != predicted.shape:
        raise ValueError(f"joints need two arrays [K, T, 2] of one shape; got {true.shape} and {predicted.shape}")
    count, steps, _ = true.shape
    seconds = np.arange(steps) * control_step
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    grid = figure.subplots(2, count, sharex=True, squeeze=False)
    for (joint, sequence), axes in np.ndenumerate(grid):
        prepare_axes(axes, theme, ("shoulder", "wrist")[joint] + ", rad" if sequence == 0 else "")
        axes.axvspan(0, seconds[min(context, steps) - 1], color=theme.faint, linewidth=0)
        axes.plot(seconds, true[sequence, :, joint], color=theme.accent, linewidth=2.4, alpha=0.55)
        axes.plot(seconds, predicted[sequence, :, joint], color=theme.second, linewidth=1.2, linestyle=(0, (4, 2)))
        if joint == 1:
            axes.set_xlabel("seconds", fontsize=8.5, color=theme.muted)
    handles = [
        Line2D([], [], color=theme.accent, linewidth=2.4, alpha=0.55),
        Line2D([], [], color=theme.second, linewidth=1.2, linestyle=(0, (4, 2))),
    ]
    figure.legend(handles, ["true", "predicted"], loc="outside upper right", ncols=2, labelcolor=theme.muted, **LEGEND)
    return figure


def _main_axes(points: np.ndarray, most: int) -> np.ndarray:
    """``points [N, D]``, where D is more than ``most`` their first principal components ``[N, most]``."""
    if points.shape[1] <= most:
        return points
    centred = points - points.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:most].T
