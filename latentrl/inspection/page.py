"""The page of an inspection: one file that loads nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.figures.imagined import CHANNELS, image_strips, sensor_curves
from latentrl.figures.recordings import ACTION_COVERAGE, ACTION_LAGS
from latentrl.figures.report import cards, picture, table, write_page
from latentrl.figures.theme import Theme
from latentrl.inspection.summary import Inspection, lines
from latentrl.types import Sequences, is_image

ROWS, COLUMNS = 6, 15
"""Sequences and steps that are shown."""
MOST_ACTIONS = 20_000
LAG_TEXT = (
    "What the action at each lag explains of where frames go, beyond what their place and their last motion tell. An "
    "action acts at lag 0, and often at -1 too; one that acts at 1 is stored a step late."
)


def write_inspection(
    path: Path,
    name: str,
    found: Inspection,
    data: Sequences,
    bounds: tuple[Sequence[float], Sequence[float]],
    next_command: str,
) -> None:
    """Write the page of ``found`` to ``path``, whole or not at all.

    Args:
        path: the HTML file.
        name: of the data.
        found: what was found.
        data: the sequences, of which some are shown.
        bounds: lowest and highest action ``[Du]``.
        next_command: what to run next.
    """
    sizes, lags = found.sizes, found.actions.lags
    actions = data.actions.flatten(0, 1).numpy()
    coverage = {
        "actions": actions[:: max(1, len(actions) // MOST_ACTIONS)],
        "low": np.asarray(bounds[0]),
        "high": np.asarray(bounds[1]),
    }
    by_lag = {"lags": np.array(list(lags)), "shares": np.array(list(lags.values()))}
    text = "Each row is a sequence, each column a step." if _pictures(data) else "Each curve is a sequence."
    write_page(
        path,
        f"{name}: what was recorded",
        "inspection.html",
        {
            "name": html.escape(name),
            "lead": html.escape(lines(found)[0]),
            "cards": cards(
                (
                    (
                        str(sizes.positions),
                        "positions",
                        f"{sizes.dimension:.1f} measured; --position-size {sizes.position_size}",
                    ),
                    (str(sizes.velocities), "velocities", f"--state-size {sizes.state_size}"),
                    (*_noise(found), f"default kappa {found.kappa:.2g}"),
                    (_period(found), "steps in a period of the slowest motion", f"a sequence has {found.length}"),
                )
            ),
            "advice": _items(found.advice or ["Nothing seems amiss."]),
            "command": html.escape(next_command),
            "shown": text,
            "frames": picture(lambda theme: _draw(data, theme), "some of the sequences"),
            "coverage": picture(lambda theme: ACTION_COVERAGE(coverage, theme), "histograms of the actions"),
            "lag_text": LAG_TEXT if lags else "Sequences are too short, or too few, to tell.",
            "lags": picture(lambda theme: ACTION_LAGS(by_lag, theme), "shares by lag") if lags else "",
            "rows": table((html.escape(line),) for line in lines(found)),
        },
    )


def _items(texts: Sequence[str]) -> str:
    return "  <ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in texts) + "</ul>"


def _noise(found: Inspection) -> tuple[str, str]:
    """How noisy observations are, and what that is counted in."""
    if found.each_reading and found.noise_share is not None:
        return f"{found.noise_share:.2g}", "noise at most, of a reading's deviation"
    return f"{found.noise:.2g}", "noise at most"


def _period(found: Inspection) -> str:
    return f"{found.motion.period:.0f}" if found.motion.seen else f"&gt;&thinsp;{found.least_period}"


def _pictures(data: Sequences) -> bool:
    return is_image(data.observations) and data.observations.shape[-1] in CHANNELS


def _draw(data: Sequences, theme: Theme) -> Figure:
    some = data[:: max(1, len(data) // ROWS)][:ROWS].observations[:, :COLUMNS].cpu()
    values: NDArray[Any] = some.numpy()
    if _pictures(data):
        return image_strips(values.astype(np.float32) / 255, theme)
    return sensor_curves(values, theme)
