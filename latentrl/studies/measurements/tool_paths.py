"""Geodesics between joint angles of an arm, and where they lead its tool: section 5.1.4.3 of Latent Matters.

All data has the tool on a circle. What is decoded along a curve is put into the arm's forward kinematics, for
evaluation alone: how far off the circle does the tool go?
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.figures.theme import LIGHT, Theme, prepare_axes, to_png
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.metric import Decoder
from latentrl.metrics.geodesic_lengths import LINE, PairLengths
from latentrl.studies.geodesic_figures import COLOURS, LABELS
from latentrl.studies.measurements import geodesics
from latentrl.studies.measurements.base import Arrays, Measurement


@torch.no_grad()
def off_circle(decoder: Decoder, found: PairLengths) -> Mapping[str, float]:
    """``off_circle_KIND`` in m: how far from the circle the tip is along the decoded curves, root mean square.

    Over all points of all pairs' curves, of each kind of geodesic and of the straight line.
    """
    return {
        f"off_circle_{name}": float(np.sqrt(np.square(circle_distance(tips(decoder(curves).numpy()))).mean()))
        for name, curves in found.curves.items()
    }


def tips(angles: NDArray[np.floating]) -> NDArray[np.float64]:
    """Positions ``[..., 3]`` in m of the tip with joint ``angles [..., 6]``, rad."""
    from latentrl.envs.six_joint_arm.kinematics import ArmKinematics

    arm = ArmKinematics()
    flat = angles.reshape(-1, angles.shape[-1]).astype(np.float64)
    return np.stack([arm.pose(one).position for one in flat]).reshape(*angles.shape[:-1], 3)


def circle_distance(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres ``[...]`` from ``positions [..., 3]`` to the nearest point of the circle."""
    from latentrl.envs.six_joint_arm.circle import CENTRE, RADIUS

    away = positions - np.array(CENTRE)
    beside = np.hypot(away[..., 0], away[..., 1]) - RADIUS
    return np.asarray(np.hypot(beside, away[..., 2]))


def pictures(runs: Mapping[str, Arrays]) -> dict[str, bytes]:
    """Those of the lengths, and Figure 5.8: the ways of the tip, seen from above."""
    return {**geodesics.pictures(runs), "figure_5_8.png": to_png(tip_paths(runs, (*GEODESICS, LINE)), geodesics.DPI)}


def tip_paths(runs: Mapping[str, Arrays], names: tuple[str, ...], theme: Theme = LIGHT) -> Figure:
    """The circle, and where the decoded ways of one pair lead the tip, a panel for each model.

    Args:
        runs: by label and for every name ``decoded NAME [T, 6]``, joint angles in rad.
        names: of the ways.
        theme: colours.
    """
    from latentrl.envs.six_joint_arm.circle import circle_position

    figure = Figure(figsize=(3.6 * len(runs), 3.9), layout="constrained")
    circle = circle_position(np.linspace(0, 2 * np.pi, 200))
    for axes, (label, arrays) in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs.items(), strict=True):
        prepare_axes(axes, theme, label)
        axes.set_aspect("equal")
        axes.plot(circle[:, 0], circle[:, 1], color=COLOURS["data"], linewidth=0.8)
        for name in names:
            path = tips(arrays[f"decoded {name}"])
            axes.plot(path[:, 0], path[:, 1], ".-", color=COLOURS[name], linewidth=1.2, label=LABELS.get(name, name))
        axes.set_xlabel("x, m", fontsize=8.5, color=theme.muted)
        axes.legend(fontsize=7, frameon=False, labelcolor=theme.ink)
    return figure


TOOL_PATHS = Measurement(geodesics.GEODESIC_LENGTHS.settings, partial(geodesics.measure, further=off_circle), pictures)
"""Of the same 100 pairs as the lengths."""
