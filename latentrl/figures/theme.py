"""The pictures of a run, as pure functions from arrays to Matplotlib figures; nothing is shown and no state is kept."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from latentrl.figures.colours import cyclic, diverging

HISTORY_COLUMNS = ("step", "constraint", "bound", "beta", "rate", "distortion")
"""What `training_curves` reads of a run's history."""


@dataclass(frozen=True)
class Theme:
    """Colours on a transparent background: ``ink`` and ``muted`` for text, ``faint`` for grids, two for curves."""

    ink: str
    muted: str
    faint: str
    accent: str
    second: str


LIGHT = Theme(ink="#1c2330", muted="#667085", faint="#e4e7ec", accent="#2f6fdb", second="#d9622b")
DARK = Theme(ink="#e6e9ef", muted="#98a2b3", faint="#2b3240", accent="#6ea8ff", second="#ff9a5c")


def to_png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG bytes with a transparent background."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    return buffer.getvalue()


def prepare_axes(axes: Axes, theme: Theme, title: str) -> None:
    """A title to the left, a faint grid behind the curves, no frame."""
    axes.set_title(title, loc="left", fontsize=9.5, color=theme.ink, pad=8)
    axes.set_axisbelow(True)
    axes.grid(True, color=theme.faint, linewidth=0.8)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0, which="both")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.margins(x=0.01)


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


def prediction_strips(
    true: np.ndarray, predicted: np.ndarray, context: int = 5, theme: Theme = LIGHT, every: int = 1
) -> Figure:
    """Held-out sequences in pairs of rows: what happened, and what the model predicted open loop.

    Args:
        true: grey images ``[K, T, H, W]`` or coloured ones ``[K, T, H, W, 3]``, in [0, 1].
        predicted: the same shape.
        context: how many first images the model inferred its first state from, marked by colour.
        theme: colours of the labels.
        every: show the first of every so many images.
    """
    if true.ndim not in (4, 5) or true.shape != predicted.shape:
        raise ValueError(
            "strips need two arrays [K, T, H, W] or [K, T, H, W, 3] of one shape; "
            f"got {true.shape} and {predicted.shape}"
        )
    true, predicted = true[:, ::every], predicted[:, ::every]
    count, steps, height, width = true.shape[:4]
    gap = max(1, width // 16)
    tall = 2.4 * count * 8.8 / steps * height / width + 0.35
    figure = Figure(figsize=(9.6, tall))
    figure.subplots_adjust(left=0.085, right=0.995, top=0.995, bottom=0.3 / tall, hspace=0.08)
    heights = ([1.0, 1.0, 0.35] * count)[:-1]  # true, predicted, a space
    rows = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for k in range(count):
        for offset, (images, label) in enumerate(((true[k], "true"), (predicted[k], "predicted"))):
            axes = rows[3 * k + offset]
            axes.imshow(_strip(images, gap), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
            axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9, color=theme.muted)
            axes.tick_params(length=0, labelbottom=False, labelleft=False)
            for spine in axes.spines.values():
                spine.set_visible(False)
        if k < count - 1:
            rows[3 * k + 2].set_axis_off()
    numbers = [str(t * every + 1) for t in range(steps)]
    rows[-1].set_xticks([(width + gap) * t + width / 2 for t in range(steps)], numbers)
    rows[-1].tick_params(labelbottom=True, labelsize=8, colors=theme.muted, pad=4)
    for tick in rows[-1].get_xticklabels()[: -(-context // every)]:
        tick.set_color(theme.second)
    return figure


def _strip(images: np.ndarray, gap: int) -> np.ndarray:
    """``[H, T * W + gaps]``, or ``[..., 4]`` with opacity: the images side by side with transparent gaps between."""
    if images.ndim == 4:
        images = np.concatenate((images, np.ones((*images.shape[:3], 1))), -1)
    widths = ((0, 0), (0, 0), (0, gap), (0, 0))[: images.ndim]
    padded = np.pad(images, widths, constant_values=np.nan if images.ndim == 3 else 0.0)
    return np.ma.masked_invalid(np.concatenate(list(padded), axis=1)[:, :-gap])


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


def wrap(angle: np.ndarray) -> np.ndarray:
    """``angle`` (radians) in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
