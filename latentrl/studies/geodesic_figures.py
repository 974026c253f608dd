"""Pictures of ways through latent spaces, as pure functions from arrays to Matplotlib figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.envs.coordinates import Kind
from latentrl.figures.latents import Colouring
from latentrl.figures.theme import LIGHT, Theme, prepare_axes

Arrays = Mapping[str, NDArray[np.float32]]
COLOURS = {"network": "#2f6fdb", "graph": "#2a9d8f", "discretised": "#8b5cf6", "line": "#d9622b", "data": "#667085"}
"""Of ways, by how they were found."""
LABELS = {"line": "straight line", "data": "along the data"}
DARKEST = 99.0
"""Percentile of the magnification factor that is drawn black: a few points are many times as large."""


def paths(models: Mapping[str, Arrays], names: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """Encodings on the magnification factor, and ways between two of them (Figure 5.1), in a panel for each model.

    Args:
        models: by label ``latents [N, 2]``, ``magnification [H, W]``, ``corners [2, 2]`` and for every name
            ``curve NAME [K, 2]``; perhaps ``angle`` or ``line [N]``.
        names: of the ways.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    figure, panels = _panels(models, 3.6, 3.9, theme)
    for axes, arrays in zip(panels, models.values(), strict=True):
        axes.grid(False)
        (left, bottom), (right, top) = arrays["corners"]
        factor = arrays["magnification"]
        axes.imshow(
            factor,
            cmap="Greys",
            origin="lower",
            extent=(float(left), float(right), float(bottom), float(top)),
            vmin=0,
            vmax=max(float(np.percentile(factor, DARKEST)), 1e-12),
            aspect="auto",
        )
        places = arrays["latents"]
        axes.scatter(places[:, 0], places[:, 1], s=3, linewidths=0, **_look(arrays, theme))
        for name in names:
            curve = arrays[f"curve {name}"]
            axes.plot(*curve.T, color=COLOURS.get(name, theme.ink), linewidth=1.6, label=LABELS.get(name, name))
        axes.plot(*curve[[0, -1]].T, "o", color=theme.ink, markersize=4, linewidth=0)
    _legend(figure, panels, theme)
    return figure


def lengths_by_truth(models: Mapping[str, Arrays], names: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """Riemannian lengths of ways against how far their ends truly are apart (Figure 5.3), a panel for each model.

    Args:
        models: by label ``apart [B]`` and ``length NAME [B]``; ``angle`` where that is in radians.
        names: of the ways.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    figure, panels = _panels(models, 3.6, 3.6, theme)
    for axes, arrays in zip(panels, models.values(), strict=True):
        turned = "angle" in arrays
        apart = np.degrees(arrays["apart"]) if turned else arrays["apart"]
        for name in names:
            colour = COLOURS.get(name, theme.ink)
            axes.plot(
                apart,
                arrays[f"length {name}"],
                "o",
                color=colour,
                markersize=2.6,
                linewidth=0,
                label=LABELS.get(name, name),
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel("apart, degrees" if turned else "apart", fontsize=8.5, color=theme.muted)
    panels[0].set_ylabel("Riemannian length", fontsize=8.5, color=theme.muted)
    _legend(figure, panels, theme)
    return figure


def decoded_paths(models: Mapping[str, Arrays], names: Sequence[str], theme: Theme = LIGHT) -> Figure:
    """What ways decode to, and how fast that changes along each (Figure 5.2), a line for each model.

    Args:
        models: by label and for every name ``decoded NAME``, grey or coloured images ``[T, H, W, C]`` in [0, 1], or
            other observations ``[T, D]``; and ``speed NAME [M]``, at even times.
        names: of the ways.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("the figure needs one model or more")
    tall = 0.42 * len(names) + 0.7
    figure = Figure(figsize=(9.6, tall * len(models)), layout="constrained")
    parts = np.atleast_1d(figure.subfigures(len(models), 1, squeeze=False)).flat
    for part, (label, arrays) in zip(parts, models.items(), strict=True):
        part.suptitle(label, fontsize=9.5, color=theme.ink, x=0.01, ha="left")
        grid = part.add_gridspec(len(names), 2, width_ratios=(2.2, 1))
        for line, name in enumerate(names):
            shown = part.add_subplot(grid[line, 0])
            _show(shown, arrays[f"decoded {name}"])
            colour = COLOURS.get(name, theme.ink)
            shown.set_ylabel(LABELS.get(name, name), rotation=0, ha="right", va="center", fontsize=8.5, color=colour)
        axes = part.add_subplot(grid[:, 1])
        prepare_axes(axes, theme, "velocity φ(t)")
        for name in names:
            speed = arrays[f"speed {name}"]
            time = (np.arange(len(speed)) + 0.5) / len(speed)
            axes.plot(time, speed, color=COLOURS.get(name, theme.ink), linewidth=1.2)
        axes.set_ylim(bottom=0)
    return figure


def _show(axes: Axes, observations: NDArray[np.float32]) -> None:
    """Images beside each other, or the course of every other number."""
    if observations.ndim == 4:
        gap = max(1, observations.shape[2] // 16)
        padded = np.pad(observations.clip(0, 1), ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=1)
        strip = np.concatenate(list(padded), axis=1)[:, :-gap]
        axes.imshow(strip if strip.shape[-1] == 3 else strip[..., 0], cmap="gray", vmin=0, vmax=1, aspect="auto")
    else:
        axes.plot(observations.reshape(len(observations), -1), linewidth=1)
    axes.tick_params(length=0, labelbottom=False, labelleft=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _panels(models: Mapping[str, Arrays], wide: float, tall: float, theme: Theme) -> tuple[Figure, list[Axes]]:
    """A panel beside the other for each model, with its label."""
    if not models:
        raise ValueError("the figure needs one model or more")
    figure = Figure(figsize=(wide * len(models), tall), layout="constrained")
    panels = list(figure.subplots(1, len(models), squeeze=False)[0])
    for axes, label in zip(panels, models, strict=True):
        prepare_axes(axes, theme, label)
    return figure, panels


def _look(arrays: Arrays, theme: Theme) -> dict[str, Any]:
    kinds: tuple[Kind, ...] = ("angle", "line")
    for kind in kinds:
        if kind in arrays:
            return Colouring("", arrays[kind], kind).look()
    return {"color": theme.accent}


def _legend(figure: Figure, panels: Sequence[Axes], theme: Theme) -> None:
    """One for all panels; a single panel is too narrow for a line of it."""
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3 if len(panels) == 1 else len(labels),
        fontsize=8,
        frameon=False,
        labelcolor=theme.ink,
    )
