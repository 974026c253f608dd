"""What ``--distance`` means: how far a position is from a goal. A new one is a line in `DISTANCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from latentrl.models.base import WorldModel
from latentrl.rewards.distance import Distance
from latentrl.rewards.quadratic import QuadraticDistance
from latentrl.runs.folder import load_settings
from latentrl.runs.geodesic_field import GEODESIC, geodesic_field
from latentrl.support.errors import UserError

EUCLID, FLAT = "euclid", "flat"


def _euclid(goal: Tensor, model: WorldModel, run: Path, data: Path | None) -> None:
    """The straight line, which the reward itself measures."""


def _geodesic(goal: Tensor, model: WorldModel, run: Path, data: Path | None) -> Distance:
    return geodesic_field(model, run, data).to(goal)


def _flat(goal: Tensor, model: WorldModel, run: Path, data: Path | None) -> Distance:
    training = load_settings(run).get("training")
    if not isinstance(training, Mapping) or not training.get("flat"):
        raise UserError(
            f"--distance {FLAT}: {run} was not trained to have a flat latent space, where a straight line is the "
            f"shortest way: train it with --flat, or give --distance geodesic"
        )
    return QuadraticDistance(goal, geodesic_field(model, run, data, FLAT).mean_metric())


DISTANCES: dict[str, Callable[[Tensor, WorldModel, Path, Path | None], Distance | None]] = {
    EUCLID: _euclid,
    GEODESIC: _geodesic,
    FLAT: _flat,
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
