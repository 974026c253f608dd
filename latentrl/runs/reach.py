"""How far each reading of a run's training data reaches: what lies beyond it, its model knows nothing of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentrl.runs.folder import load_settings
from latentrl.support.errors import UserError
from latentrl.types import Sequences, is_image

REACH = "reach"
"""Of a run's settings: the least and the largest of each reading, in the data's units; of pictures nothing."""
FAR = 0.1
"""Of what a reading reaches over, that it may lie beyond."""


def reach_of(data: Sequences[Tensor]) -> dict[str, list[float]] | None:
    """The least and the largest of each reading of ``data``, as ``settings.json`` keeps them; None of pictures."""
    if is_image(data.observations):
        return None
    readings = data.observations[data.seen] if isinstance(data.seen, Tensor) else data.observations.flatten(0, 1)
    if not len(readings):
        return None
    flat = readings.flatten(1)
    return {"least": flat.amin(0).tolist(), "largest": flat.amax(0).tolist()}


def beyond(observations: Tensor, run: Path) -> list[str]:
    """Which of ``observations [N, *shape]`` no reading of the run's data comes near: see :func:`outside`.

    Nothing is said in runs of pictures, or from before this was kept.
    """
    reach = kept_reach(run)
    return [] if reach is None else outside(observations, reach, FAR)


def outside(observations: Tensor, reach: Tensor, room: float) -> list[str]:
    """Readings of ``observations [N, *shape]`` that lie beyond ``reach [2, D]``, counted from 0: a line for each.

    Args:
        observations: of as many readings as ``reach``; of others nothing is said.
        reach: the least and the largest of each, see :func:`kept_reach`. What never varied is no yardstick.
        room: that they may lie beyond it, as a share of what lies between.
    """
    rows = observations.flatten(1).to(reach)
    if reach.shape[1] != rows.shape[1]:
        return []
    least, largest = reach
    allowed = room * (largest - least)
    off = (rows < least - allowed) | (rows > largest + allowed)
    worst = ((rows - least).abs() + (rows - largest).abs()).argmax(0)
    return [
        f"reading {column} is {rows[worst[column], column]:.4g}, and the data's reach from {least[column]:.4g} to "
        f"{largest[column]:.4g}"
        for column in (off & (largest > least)).any(0).nonzero().flatten().tolist()
    ]


def kept_reach(run: Path) -> Tensor | None:
    """The least and the largest reading ``[2, D]`` of a run's data, float64; None where nothing of the kind is kept."""
    try:
        found: Any = load_settings(run).get(REACH)
    except UserError:
        return None
    if not isinstance(found, Mapping):
        return None
    both = [one for one in (found.get("least"), found.get("largest")) if isinstance(one, list)]
    if len(both) < 2 or len(both[0]) != len(both[1]) or not all(_is_finite(number) for one in both for number in one):
        return None
    return torch.tensor(both, dtype=torch.float64)


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
