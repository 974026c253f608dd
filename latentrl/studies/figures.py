"""A study's pictures, as pure functions from arrays to Matplotlib figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from latentrl.figures.latents import Colouring, scatter_solid
from latentrl.figures.theme import LIGHT, Theme, prepare_axes

COLUMNS = 2
"""Models beside each other in the picture of barrels."""


@dataclass(frozen=True)
class Barrel:
    """Latent states ``[N, 3]`` of a model, and what they are coloured by."""

    latents: np.ndarray
    colourings: Sequence[Colouring]


@dataclass(frozen=True)
class Plane:
    """What a static model with two latent dimensions says.

    Attributes:
        encodings: of held-out frames, ``[N, 2]``.
        colouring: of the encodings.
        samples: of the prior, ``[M, 2]``.
        path: from one frame to another through the samples, ``[P, 2]``.
    """

    encodings: np.ndarray
    colouring: Colouring
    samples: np.ndarray
    path: np.ndarray


@dataclass(frozen=True)
class Lengths:
    """R² of a model by annealing length, and under constrained optimisation.

    Attributes:
        label: the model.
        annealed: share of the steps -> values over the seeds.
        constrained: values over the seeds.
    """

    label: str
    annealed: Mapping[float, Sequence[float]]
    constrained: Sequence[float]


def barrels(models: Mapping[str, Barrel], theme: Theme = LIGHT) -> Figure:
    """The states of every model in space, in a panel for each colouring.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("a picture of barrels needs one model or more")
    lines = -(-len(models) // COLUMNS)
    figure = Figure(figsize=(4.8 * COLUMNS, 2.5 * lines), layout=ConstrainedLayoutEngine(w_pad=0, h_pad=0.04))
    parts = np.atleast_1d(figure.subfigures(lines, COLUMNS, squeeze=False)).flat
    for part, (label, barrel) in zip(parts, models.items(), strict=False):
        part.suptitle(label, fontsize=9.5, color=theme.ink)
        for column, colouring in enumerate(barrel.colourings, start=1):
            place = (1, len(barrel.colourings), column)
            axes = scatter_solid(part, place, barrel.latents, colouring, size=1.5, zoom=1.3)
            axes.set_title(colouring.title, fontsize=8, color=theme.muted, pad=0)
    return figure


def planes(models: Mapping[str, Plane], theme: Theme = LIGHT) -> Figure:
    """For every model encodings by colour, below them the prior and a path through it (Figures 3.2, 3.3 and 3.6).

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("a picture of planes needs one model or more")
    figure = Figure(figsize=(2.4 * len(models), 4.9), layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04))
    above, below = figure.subplots(2, len(models), squeeze=False)
    for top, bottom, (label, plane) in zip(above, below, models.items(), strict=True):
        prepare_axes(top, theme, label)
        top.scatter(*plane.encodings.T, s=2, linewidths=0, **plane.colouring.look())
        prepare_axes(bottom, theme, "samples of the prior")
        bottom.scatter(*plane.samples.T, color=theme.accent, s=2, linewidths=0)
        bottom.plot(*plane.path.T, color=theme.second, linewidth=1.2)
        for axes in (top, bottom):
            axes.set_aspect("equal", "datalim")
    return figure


def strips(true: np.ndarray, predicted: Mapping[str, np.ndarray], context: int = 5, theme: Theme = LIGHT) -> Figure:
    """One held-out sequence, and below it what each model predicted open loop.

    Args:
        true: grey images ``[T, H, W]`` in [0, 1].
        predicted: the same shape, by model.
        context: how many first images the models inferred their first state from, marked by colour.
        theme: colours of the labels.

    Raises:
        ValueError: predicted images of another shape.
    """
    for label, images in predicted.items():
        if images.shape != true.shape:
            raise ValueError(f"{label}: predicted {images.shape}, but the sequence is {true.shape}")
    steps, height, width = true.shape
    gap = max(1, width // 16)
    lines = {"true": true, **predicted}
    tall = 0.35 + len(lines) * 7.6 / steps * height / width * 1.12
    figure = Figure(figsize=(9.6, tall))
    figure.subplots_adjust(left=0.19, right=0.995, top=0.995, bottom=0.3 / tall, hspace=0.12)
    for axes, (label, images) in zip(np.atleast_1d(figure.subplots(len(lines), 1)), lines.items(), strict=True):
        padded = np.pad(images, ((0, 0), (0, 0), (0, gap)), constant_values=np.nan)
        strip = np.ma.masked_invalid(np.concatenate(list(padded), axis=1)[:, :-gap])
        axes.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8.5, color=theme.muted)
        axes.set_xticks([(width + gap) * t + width / 2 for t in range(steps)], [str(t + 1) for t in range(steps)])
        axes.tick_params(length=0, labelbottom=False, labelleft=False, labelsize=8, colors=theme.muted)
        for spine in axes.spines.values():
            spine.set_visible(False)
    axes.tick_params(labelbottom=True)
    for tick in axes.get_xticklabels()[:context]:
        tick.set_color(theme.second)
    return figure


def annealing_lengths(models: Sequence[Lengths], theme: Theme = LIGHT) -> Figure:
    """R² of the velocity against the annealing length, beside that under constrained optimisation (Figure 4.4).

    Every run is a dot, a bar is the median of a column.

    Raises:
        ValueError: no models.
    """
    if not models:
        raise ValueError("the figure needs one model or more")
    figure = Figure(figsize=(9.6, 3.2), layout=ConstrainedLayoutEngine(w_pad=0.08))
    for axes, model in zip(figure.subplots(1, len(models), sharey=True, squeeze=False)[0], models, strict=True):
        prepare_axes(axes, theme, model.label)
        columns = [(f"{length:g}", values, theme.accent) for length, values in sorted(model.annealed.items())]
        columns.append(("CO", model.constrained, theme.second))
        for place, (_, values, colour) in enumerate(columns):
            if len(values):
                axes.plot([place] * len(values), values, "o", color=colour, markersize=5, alpha=0.7, linewidth=0)
                axes.hlines(np.median(values), place - 0.3, place + 0.3, color=colour, linewidth=1.6)
        axes.set_xticks(range(len(columns)), [name for name, _, _ in columns])
        axes.set_xlim(-0.6, len(columns) - 0.4)
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel("annealing length, share of the steps", fontsize=8.5, color=theme.muted)
    figure.axes[0].set_ylabel("R² of the velocity", fontsize=8.5, color=theme.muted)
    return figure
