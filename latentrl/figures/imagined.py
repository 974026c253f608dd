"""Imagined sequences on paper: strips of pictures, or curves where the observations are sensors."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import LIGHT, Theme

CHANNELS = (1, 3)
"""Of pictures: grey, or red, green and blue."""
MOST_CURVES = 8
"""Sensors that get a panel of their own: more could not be read."""


def image_strips(images: NDArray[np.floating], theme: Theme = LIGHT) -> Figure:
    """One row a sequence, one column a time step (Latent Matters, Figure 4.3).

    Args:
        images: ``[K, T, H, W, C]`` in [0, 1], with C of 1 or 3; values beyond are clipped.
        theme: colours of the labels.

    Raises:
        ValueError: another shape.
    """
    if images.ndim != 5 or images.shape[-1] not in CHANNELS:
        raise ValueError(f"strips need images [K, T, H, W, 1 or 3]; got {images.shape}")
    count, steps, height, width, _ = images.shape
    gap = max(1, width // 16)
    tile = 9.0 / steps
    tall = count * tile * (height + gap) / (width + gap) + 0.35
    figure = Figure(figsize=(9.6, tall))
    axes = figure.add_axes((0.045, 0.3 / tall, 0.95, 1 - 0.35 / tall))
    axes.imshow(_mosaic(images, gap), interpolation="nearest", aspect="auto")
    axes.set_xticks([(width + gap) * t + width / 2 - 0.5 for t in range(steps)], [str(t + 1) for t in range(steps)])
    axes.set_yticks([(height + gap) * k + height / 2 - 0.5 for k in range(count)], [str(k + 1) for k in range(count)])
    axes.tick_params(length=0, labelsize=8, colors=theme.muted, pad=4)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def sensor_curves(values: NDArray[np.floating], theme: Theme = LIGHT) -> Figure:
    """One panel a sensor, one curve a sequence; the first ``MOST_CURVES`` sensors of ``values [K, T, ...]``."""
    flat = values.reshape(*values.shape[:2], -1)
    shown = min(flat.shape[-1], MOST_CURVES)
    figure = Figure(figsize=(9.6, 1.5 * shown + 0.5), layout="constrained")
    panels = figure.subplots(shown, 1, sharex=True, squeeze=False)[:, 0]
    time = np.arange(1, flat.shape[1] + 1)
    for sensor, axes in enumerate(panels):
        axes.plot(time, flat[:, :, sensor].T, color=theme.accent, linewidth=1.0, alpha=0.7)
        axes.set_ylabel(f"sensor {sensor + 1}", fontsize=8.5, color=theme.muted)
        axes.grid(True, color=theme.faint, linewidth=0.8)
        axes.tick_params(colors=theme.muted, labelsize=8, length=0)
        axes.margins(x=0.01)
        for spine in axes.spines.values():
            spine.set_visible(False)
    panels[-1].set_xlabel("time step", fontsize=8.5, color=theme.muted)
    return figure


def _mosaic(images: NDArray[np.floating], gap: int) -> NDArray[np.float32]:
    """``[K * H + gaps, T * W + gaps, 4]``: the pictures side by side with transparent gaps between them."""
    count, steps, height, width, _ = images.shape
    tiles = np.zeros((count, steps, height + gap, width + gap, 4), np.float32)
    tiles[:, :, :height, :width, :3] = np.clip(images, 0, 1)
    tiles[:, :, :height, :width, 3] = 1
    mosaic = tiles.transpose(0, 2, 1, 3, 4).reshape(count * (height + gap), steps * (width + gap), 4)
    return mosaic[:-gap, :-gap]


def _draw_strips(arrays: Arrays, theme: Theme) -> Figure:
    return image_strips(arrays["images"], theme)


def _draw_curves(arrays: Arrays, theme: Theme) -> Figure:
    return sensor_curves(arrays["sensors"], theme)


IMAGE_STRIPS = Drawing({"images": ("K", "T", "H", "W", 3)}, _draw_strips)
SENSOR_CURVES = Drawing({"sensors": ("K", "T", "S")}, _draw_curves)
