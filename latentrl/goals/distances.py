"""What ``--distance`` means: how far a position is from a goal. A new one is a line in `DISTANCES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.rewards.distance import Distance
from latentrl.runs.geodesic_field import geodesic_field
from latentrl.support.errors import UserError

EUCLID = "euclid"


def _euclid(goal: Tensor, model: WorldModel, run: Path, data: Path | None) -> None:
    """The straight line, which the reward itself measures."""


def _geodesic(goal: Tensor, model: WorldModel, run: Path, data: Path | None) -> Distance:
    return geodesic_field(model, run, data).to(goal)


DISTANCES: dict[str, Callable[[Tensor, WorldModel, Path, Path | None], Distance | None]] = {
    EUCLID: _euclid,
    "geodesic": _geodesic,
}
"""By name: from goals ``[Da]`` or ``[N, Da]``, the model, its run folder and its data; None is the straight line."""


def check_distance(name: str) -> str:
    """``name``, if there is such a distance.

    Raises:
        UserError: there is none.
    """
    if name not in DISTANCES:
        raise UserError(f"--distance {name}: choose one of {', '.join(DISTANCES)}")
    return name
