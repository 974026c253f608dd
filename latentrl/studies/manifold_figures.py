"""Pictures of latent planes, as pure functions from arrays to Matplotlib figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.figures.theme import LIGHT, Theme, prepare_axes
from latentrl.studies.geodesic_figures import DARKEST, Arrays

PATHS = ("#1c2330", "#d9622b", "#c0392b", "#7b241c")
"""Of interpolations, the source's black, orange, red and maroon."""
LINES = 9
"""Equidistance lines around a frame."""
HEAD = "part "


def planes(models: Mapping[str, Arrays], theme: Theme = LIGHT) -> Figure:
    """Encodings by label, samples of the prior with ways through them, and what one decodes to (Figures 3.8 to 3.10).

    Args:
        models: by label ``latents [N, 2]``, ``prior [M, 2]``, ``paths [S, K, 2]`` and what they decode to, ``decoded
            [S, T, ...]``; perhaps ``labels [N]``.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    panels, figure = _panels(models, 3, 2.6, (1.0, 1.0, 0.5), theme)
    for (above, below, shown), arrays in zip(panels, models.values(), strict=True):
        look = _look(arrays, theme)
        (across, up), (drawn_across, drawn_up) = arrays["latents"].T, arrays["prior"].T
        above.scatter(across, up, s=4, linewidths=0, **look)
        below.scatter(drawn_across, drawn_up, s=2, linewidths=0, color=theme.accent, alpha=0.5)
        for path, colour in zip(arrays["paths"], PATHS, strict=False):
            below.plot(*path.T, color=colour, linewidth=1.2)
        for axes in (above, below):
            axes.set_aspect("equal", "datalim")
        _strips(shown, arrays["decoded"])
    for axes, name in zip(panels[0], ("held-out frames", "prior, ways through it", "what they decode to"), strict=True):
        axes.set_ylabel(name, fontsize=8.5, color=theme.muted)
    return figure


def maps(models: Mapping[str, Arrays], theme: Theme = LIGHT) -> Figure:
    """The magnification factor, equidistance lines, geodesics (solid) and straight lines (Figures 5.14 and 5.19).

    Shades are in units of the factor's median, the same in every panel.

    Args:
        models: by label ``magnification [H, W]``, ``corners [2, 2]``, ``latents [N, 2]``, ``nodes [L, 2]`` and how far
            each is from some frames, ``distances [C, L]``, those at ``centres [C, 2]``; ``geodesics [S, K, 2]`` and
            ``straight [S, 2, 2]``; perhaps ``labels [N]``.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    panels, figure = _panels(models, 1, 3.4, (1.0,), theme)
    relative = [one["magnification"] / max(float(np.median(one["magnification"])), 1e-12) for one in models.values()]
    darkest = max(*(float(np.percentile(one, DARKEST)) for one in relative), 1e-12)
    for (axes,), arrays, factor in zip(panels, models.values(), relative, strict=True):
        axes.grid(False)
        (left, bottom), (right, top) = arrays["corners"]
        extent = (float(left), float(right), float(bottom), float(top))
        axes.imshow(factor, cmap="Greys", origin="lower", extent=extent, vmin=0, vmax=darkest, aspect="auto")
        look = _look(arrays, theme)
        axes.scatter(arrays["latents"][:, 0], arrays["latents"][:, 1], s=2, linewidths=0, **look)
        for apart, centre in zip(arrays["distances"], arrays["centres"], strict=True):
            levels = np.linspace(0, float(np.percentile(apart, 60)), LINES + 1)[1:]
            across, up = arrays["nodes"].T
            axes.tricontour(across, up, apart, levels=np.unique(levels), colors=[theme.accent], linewidths=0.6)
            axes.plot(*centre, "+", color=theme.ink, markersize=6)
        for curve, line, colour in zip(arrays["geodesics"], arrays["straight"], PATHS, strict=False):
            axes.plot(*curve.T, color=colour, linewidth=1.3)
            axes.plot(*line.T, color=colour, linewidth=0.9, linestyle=":")
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
    return figure


def boxes(models: Mapping[str, Arrays], theme: Theme = LIGHT) -> Figure:
    """Condition number and normalised magnification factor of many points as boxes (Figures 5.13 and 5.18).

    Args:
        models: by label ``condition [N]`` and ``factor [N]``, the latter over its mean.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("the figure needs one model or more")
    figure = Figure(figsize=(9.6, 0.5 + 0.45 * len(models)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name, title in (
        (left, "condition", "condition number"),
        (right, "factor", "magnification over its mean"),
    ):
        prepare_axes(axes, theme, title)
        axes.boxplot([one[name] for one in models.values()], orientation="horizontal", showfliers=False, widths=0.6)
        axes.axvline(1, color=theme.second, linewidth=0.8)
        axes.set_yticks(range(1, len(models) + 1), list(models))
    left.set_xscale("log")
    left.invert_yaxis()
    return figure


def smoothness_by_part(models: Mapping[str, Arrays], kind: str, theme: Theme = LIGHT) -> Figure:
    """The smoothness factor of every joint, mean and deviation over ways (Figures 3.11 and 5.17); smaller is smoother.

    Args:
        models: by label ``smoothness KIND [2, D]``, mean and deviation; perhaps masks ``part N NAME [D]``, whose
            numbers are shown as their mean.
        kind: ``graph`` or ``line``.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("the figure needs one model or more")
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    axes = figure.subplots()
    title = "through a graph of the prior's samples" if kind == "graph" else "along straight lines"
    prepare_axes(axes, theme, f"smoothness factor of interpolations {title}")
    names, wide = ["all"], 0.8 / len(models)
    for number, (label, arrays) in enumerate(models.items()):
        found = arrays[f"smoothness {kind}"]
        parts = {key.split(" ", 2)[2]: mask > 0 for key, mask in arrays.items() if key.startswith(HEAD)}
        names = list(parts) or names
        masks = list(parts.values()) or [np.ones(found.shape[1], bool)]
        means, deviations = ([float(row[mask].mean()) for mask in masks] for row in found)
        places = np.arange(len(masks)) + (number - (len(models) - 1) / 2) * wide
        axes.bar(places, means, wide * 0.9, yerr=deviations, label=label, error_kw={"linewidth": 0.6})
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 1 else 0, ha="right")
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.ink)
    axes.set_ylim(bottom=0)
    return figure


def unit_bars(models: Mapping[str, Arrays], theme: Theme = LIGHT) -> Figure:
    """The rate of every unit of the prior's second layer in nats, the largest first (Figure 3.12).

    Args:
        models: by label ``unit rates [Dz]``.
        theme: colours.

    Raises:
        ValueError: no models.
    """
    panels, figure = _panels(models, 1, 2.4, (1.0,), theme)
    for (axes,), arrays in zip(panels, models.values(), strict=True):
        rates = np.maximum(arrays["unit rates"], 1e-5)
        axes.bar(np.arange(len(rates)) + 1, rates, color=theme.accent)
        axes.set_yscale("log")
        axes.set_ylim(bottom=1e-4)
    panels[0][0].set_ylabel("nats", fontsize=8.5, color=theme.muted)
    return figure


def _look(arrays: Arrays, theme: Theme) -> dict[str, Any]:
    """Keyword arguments of Matplotlib's ``scatter``: a colour for each label, where there are labels."""
    return {"c": arrays["labels"], "cmap": "tab20"} if "labels" in arrays else {"color": theme.accent}


def _strips(axes: Axes, decoded: NDArray[np.float32]) -> None:
    """Of each way a line: pictures beside each other, or readings as columns of shades."""
    images = decoded if decoded.ndim == 5 else decoded[:, :, :, None, None].repeat(2, 3)
    gap = np.full_like(images[:, :, :, :1], np.nan)
    tiles = np.concatenate((images, gap), 3)[..., 0]
    ways, steps, height, width = tiles.shape
    picture = tiles.transpose(0, 2, 1, 3).reshape(ways * height, steps * width)
    look: dict[str, Any] = (
        {"cmap": "gray", "aspect": "equal"} if decoded.ndim == 5 else {"cmap": "coolwarm", "aspect": "auto"}
    )
    axes.imshow(picture, interpolation="nearest", **look)
    axes.grid(False)
    axes.tick_params(labelbottom=False, labelleft=False)


def _panels(
    models: Mapping[str, Arrays], lines: int, size: float, heights: Sequence[float], theme: Theme
) -> tuple[list[tuple[Axes, ...]], Figure]:
    """A column for each model, its label above."""
    if not models:
        raise ValueError("the figure needs one model or more")
    tall = size * sum(heights) + 0.3
    figure = Figure(figsize=(size * len(models), tall), layout="constrained")
    grid = figure.subplots(lines, len(models), squeeze=False, height_ratios=heights)
    for column, label in enumerate(models):
        for line in range(lines):
            prepare_axes(grid[line, column], theme, label if line == 0 else "")
    return [tuple(grid[:, column]) for column in range(len(models))], figure
