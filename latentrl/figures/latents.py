"""Latent states in a plane or in space, coloured by what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from latentrl.envs.coordinates import KINDS, Coordinate, Kind
from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.theme import LIGHT, Theme, prepare_axes, wrap

PANEL = (4.8, 4.6)
ACROSS = 2
"""Panels side by side."""


@dataclass(frozen=True)
class Colouring:
    """What points are coloured by.

    Attributes:
        title: of the panel.
        values: ``[N]``, a number for each point.
        kind: of an ``angle`` (radians, any number of turns) the colours close; else they diverge from zero, of a
            ``velocity`` up to what 1% exceed.
    """

    title: str
    values: NDArray[np.floating]
    kind: Kind

    @classmethod
    def by(cls, coordinate: Coordinate, values: NDArray[np.floating]) -> Colouring:
        """By the ``values [...]`` of a coordinate."""
        return cls(f"coloured by {coordinate.name.replace('_', ' ')}", np.ravel(values), coordinate.kind)

    def look(self) -> dict[str, Any]:
        """The keyword arguments of Matplotlib's ``scatter``."""
        if self.kind == "angle":
            return {"c": wrap(self.values), "cmap": cyclic(), "vmin": -np.pi, "vmax": np.pi}
        size = np.abs(self.values)
        limit = float(np.percentile(size, 99) if self.kind == "velocity" else size.max())
        return {"c": self.values, "cmap": diverging(), "vmin": -limit, "vmax": limit}


def latents(points: NDArray[np.floating], colourings: Sequence[Colouring], theme: Theme = LIGHT) -> Figure:
    """Latent states or positions of held-out sequences, in a panel for each colouring.

    Args:
        points: ``[N, D]``, D at least 2; of three the last is the vertical axis, of more the first three principal
            components are shown.
        colourings: one or more, each of N values.
        theme: colours of the labels.

    Raises:
        ValueError: other shapes, or no colouring.
    """
    if points.ndim != 2 or points.shape[1] < 2 or not colourings:
        raise ValueError(f"latents need points [N, 2 or more] and what to colour them by; got {points.shape}")
    for one in colourings:
        if one.values.shape != (len(points),):
            raise ValueError(f"{one.title}: {len(points)} points need as many values; got {one.values.shape}")
    shown, columns = main_axes(points, 3), min(ACROSS, len(colourings))
    lines = -(-len(colourings) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * lines), layout="constrained")
    for place, one in enumerate(colourings, start=1):
        if shown.shape[1] == 3:
            solid = scatter_solid(figure, (lines, columns, place), shown, one, size=3, zoom=1.35)
            solid.set_title(one.title, fontsize=9.5, color=theme.ink)
        else:
            flat = figure.add_subplot(lines, columns, place)
            prepare_axes(flat, theme, one.title)
            flat.scatter(shown[:, 0], shown[:, 1], s=3, linewidths=0, **one.look())
            flat.set_xlabel("position 1", fontsize=8.5, color=theme.muted)
            flat.set_ylabel("position 2", fontsize=8.5, color=theme.muted)
    return figure


def scatter_solid(
    figure: FigureBase,
    place: tuple[int, int, int],
    points: NDArray[np.floating],
    colouring: Colouring,
    size: float,
    zoom: float,
) -> Any:
    """New axes at ``place`` (lines, columns, number) with ``points [N, 3]`` in space and nothing else; returns them."""
    axes: Any = figure.add_subplot(*place, projection="3d")
    axes.scatter(*points.T, s=size, linewidths=0, **colouring.look())
    axes.view_init(elev=22, azim=35)
    axes.set_box_aspect((1, 1, 1), zoom=zoom)
    axes.set_axis_off()
    return axes


def main_axes(points: NDArray[np.floating], most: int) -> NDArray[np.floating]:
    """``points [N, D]``, where D is more than ``most`` their first principal components ``[N, most]``."""
    if points.shape[1] <= most:
        return points
    centred = points - points.mean(0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:most].T


def _draw(arrays: Arrays, theme: Theme) -> Figure:
    colourings = [Colouring(f"coloured by {kind}", column, kind) for kind in KINDS for column in arrays[kind].T]
    return latents(arrays["points"], colourings, theme)


LATENTS = Drawing({"points": ("N", "D"), "angle": ("N", "A"), "line": ("N", "L"), "velocity": ("N", "V")}, _draw)
