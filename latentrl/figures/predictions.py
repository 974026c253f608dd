"""What happened, and what a model predicted open loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from latentrl.figures.base import Arrays, Drawing, Shape
from latentrl.figures.theme import LIGHT, Theme, prepare_axes


def prediction_strips(
    true: NDArray[np.floating], predicted: NDArray[np.floating], context: int = 5, theme: Theme = LIGHT, every: int = 1
) -> Figure:
    """Held-out sequences in pairs of rows: what happened, and what the model predicted open loop.

    Args:
        true: grey images ``[K, T, H, W]`` or coloured ones ``[K, T, H, W, 3]``, in [0, 1].
        predicted: the same shape.
        context: how many first images the model inferred its first state from, marked by colour.
        theme: colours of the labels.
        every: show the first of every so many images.

    Raises:
        ValueError: other shapes.
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


def _strip(images: NDArray[np.floating], gap: int) -> NDArray[np.floating]:
    """``[H, T * W + gaps]``, or ``[..., 4]`` with opacity: the images side by side with transparent gaps between."""
    if images.ndim == 4:
        images = np.concatenate((images, np.ones((*images.shape[:3], 1))), -1)
    widths = ((0, 0), (0, 0), (0, gap), (0, 0))[: images.ndim]
    padded = np.pad(images, widths, constant_values=np.nan if images.ndim == 3 else 0.0)
    return np.ma.masked_invalid(np.concatenate(list(padded), axis=1)[:, :-gap])


LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 8.5}


def sensor_predictions(
    true: NDArray[np.floating],
    predicted: NDArray[np.floating],
    names: Sequence[str],
    control_step: float,
    context: int = 5,
    theme: Theme = LIGHT,
) -> Figure:
    """Recorded sensor readings of held-out sequences, and what the model predicted open loop: a row a sensor.

    Args:
        true: ``[K, T, S]``.
        predicted: the same shape.
        names: of the S sensors, with their units.
        control_step: seconds between two observations.
        context: how many first observations the model inferred its first state from; they are shaded.
        theme: colours.

    Raises:
        ValueError: other shapes, or not a name for each sensor.
    """
    if true.ndim != 3 or true.shape[2] != len(names) or true.shape != predicted.shape:
        raise ValueError(
            f"sensors need two arrays [K, T, S] of one shape and S names; got {true.shape}, {predicted.shape} and "
            f"{len(names)} names"
        )
    count, steps, sensors = true.shape
    seconds = np.arange(steps) * control_step
    figure = Figure(figsize=(9.6, 2.2 * sensors), layout="constrained")
    grid = figure.subplots(sensors, count, sharex=True, squeeze=False)
    for (sensor, sequence), axes in np.ndenumerate(grid):
        prepare_axes(axes, theme, names[sensor] if sequence == 0 else "")
        axes.axvspan(0, seconds[min(context, steps) - 1], color=theme.faint, linewidth=0)
        axes.plot(seconds, true[sequence, :, sensor], color=theme.accent, linewidth=2.4, alpha=0.55)
        axes.plot(seconds, predicted[sequence, :, sensor], color=theme.second, linewidth=1.2, linestyle=(0, (4, 2)))
        if sensor == sensors - 1:
            axes.set_xlabel("seconds", fontsize=8.5, color=theme.muted)
    handles = [
        Line2D([], [], color=theme.accent, linewidth=2.4, alpha=0.55),
        Line2D([], [], color=theme.second, linewidth=1.2, linestyle=(0, (4, 2))),
    ]
    figure.legend(handles, ["true", "predicted"], loc="outside upper right", ncols=2, labelcolor=theme.muted, **LEGEND)
    return figure


def _draw_strips(arrays: Arrays, theme: Theme) -> Figure:
    return prediction_strips(arrays["true"], arrays["predicted"], theme=theme)


def _draw_curves(arrays: Arrays, theme: Theme) -> Figure:
    names = [f"sensor {number + 1}" for number in range(arrays["true"].shape[-1])]
    return sensor_predictions(arrays["true"], arrays["predicted"], names, float(arrays["control_step"]), theme=theme)


PICTURES: Shape = ("K", "T", "H", "W", 3)
SENSORS: Shape = ("K", "T", "S")
PREDICTION_STRIPS = Drawing({"true": PICTURES, "predicted": PICTURES}, _draw_strips)
SENSOR_PREDICTIONS = Drawing({"true": SENSORS, "predicted": SENSORS, "control_step": ()}, _draw_curves)
