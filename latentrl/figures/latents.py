"""Pictures of what a model knows about an arm of two joints."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.theme import LIGHT, Theme, prepare_axes, wrap


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


def _main_axes(points: np.ndarray, most: int) -> np.ndarray:
    """``points [N, D]``, where D is more than ``most`` their first principal components ``[N, most]``."""
    if points.shape[1] <= most:
        return points
    centred = points - points.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:most].T


def latent_barrel(latents: np.ndarray, angle: np.ndarray, velocity: np.ndarray, theme: Theme = LIGHT) -> Figure:
    """The latent states of held-out sequences in 3-D, coloured by true angle and by true velocity.

    Args:
        latents: ``[N, 3]``; the last dimension, the velocity, stands upright.
        angle: ``[N]`` radians.
        velocity: ``[N]`` radians per second.
        theme: colours of the labels.
    """
    if latents.ndim != 2 or latents.shape[1] != 3 or not len(latents) == len(angle) == len(velocity):
        shapes = (latents.shape, angle.shape, velocity.shape)
        raise ValueError(f"a barrel needs latents [N, 3], angle [N] and velocity [N]; got {shapes}")
    fastest = float(np.percentile(np.abs(velocity), 99))
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    for column, (values, colours, limits, title) in enumerate(
        (
            (wrap(angle), cyclic(), (-np.pi, np.pi), "coloured by angle"),
            (velocity, diverging(), (-fastest, fastest), "coloured by velocity"),
        )
    ):
        axes = figure.add_subplot(1, 2, column + 1, projection="3d")
        axes.scatter(*latents.T, c=values, cmap=colours, vmin=limits[0], vmax=limits[1], s=3, linewidths=0)
        axes.set_title(title, fontsize=9.5, color=theme.ink)
        axes.view_init(elev=22, azim=35)
        axes.set_box_aspect((1, 1, 0.95), zoom=1.35)
        axes.set_axis_off()
    return figure
