"""A picture of a belief over time: its uncertainty grows while frames are missing and shrinks when one arrives."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from latentrl.figures.base import Arrays, Drawing
from latentrl.figures.theme import LIGHT, Theme, prepare_axes


def deviations(covariance: NDArray[np.float64], position_size: int) -> dict[str, NDArray[np.float64]]:
    """Standard deviations ``[T]`` of a belief's parts, by name: the root of the mean variance of their dimensions.

    Args:
        covariance: ``[T, Dz, Dz]``.
        position_size: Da, the leading dimensions that are position; the others, if there are any, are velocity.
    """
    variance = covariance.diagonal(axis1=-2, axis2=-1)
    parts = {"position": variance[:, :position_size], "velocity": variance[:, position_size:]}
    return {name: np.sqrt(part.mean(-1)) for name, part in parts.items() if part.shape[1]}


def belief_uncertainty(
    deviation: dict[str, NDArray[np.float64]], arrived: NDArray[np.bool_], control_step: float, theme: Theme = LIGHT
) -> Figure:
    """Standard deviations over time, one panel each, with the steps shaded in which no frame arrived.

    Args:
        deviation: by name, ``[T]`` in latent units, positive.
        arrived: which frames reached the agent, ``[T]``.
        control_step: seconds between two of them.
        theme: colours.

    Raises:
        ValueError: no deviations, or other shapes.
    """
    if not deviation or any(values.shape != arrived.shape for values in deviation.values()):
        shapes = {name: values.shape for name, values in deviation.items()}
        raise ValueError(f"a belief's figure needs deviations [T] and arrived [T]; got {shapes} and {arrived.shape}")
    time = np.arange(len(arrived)) * control_step
    figure = Figure(figsize=(9.6, 2.2 * len(deviation) + 0.5), layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    panels = figure.subplots(len(deviation), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(panels, deviation.items(), strict=True):
        prepare_axes(axes, theme, f"{name}: standard deviation of the belief, latent units; shaded: no frame")
        for start, end in lost_spans(arrived):
            axes.axvspan(
                (start - 0.5) * control_step, (end - 0.5) * control_step, color=theme.second, alpha=0.22, linewidth=0
            )
        axes.plot(time, values, color=theme.accent, linewidth=1.4, marker="o", markersize=2)
        axes.set_yscale("log")
    panels[-1].set_xlabel("time, s", fontsize=8.5, color=theme.muted)
    return figure


def lost_spans(arrived: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The stretches ``[start, end)`` of steps in which ``arrived [T]`` is False."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], arrived, [True])).astype(int)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _draw(arrays: Arrays, theme: Theme) -> Figure:
    deviation = {name: arrays[name] for name in ("position", "velocity")}
    return belief_uncertainty(deviation, arrays["arrived"] >= 0.5, float(arrays["control_step"]), theme)


BELIEF = Drawing({"position": ("T",), "velocity": ("T",), "arrived": ("T",), "control_step": ()}, _draw)
