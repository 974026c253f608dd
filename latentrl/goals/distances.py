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
    check_trained_for(FLAT, run)
    return QuadraticDistance(goal, geodesic_field(model, run, data, FLAT).mean_metric())


DISTANCES: dict[str, Callable[[Tensor, WorldModel, Path, Path | None], Distance | None]] = {
    EUCLID: _euclid,
    GEODESIC: _geodesic,
    FLAT: _flat,
}
"""By name: from goals ``[Da]`` or ``[N, Da]``, the model, its run folder and its data; None is the straight line."""


def check_trained_for(name: str, run: Path) -> None:
    """Refuse the distance ``name`` in a run that was not trained for it; nothing but the run's settings is read.

    Raises:
        UserError: the run's latent space was not made flat; no such run.
    """
    if name != FLAT:
        return
    training = load_settings(run).get("training")
    if not isinstance(training, Mapping) or not training.get("flat"):
        raise UserError(
            f"--distance {FLAT}: {run} was not trained to have a flat latent space, where a straight line is the "
            "shortest way: train it with a weight for that, such as --flat 300, or give --distance geodesic"
        )


def check_distance(name: str) -> str:
    """``name``, if there is such a distance.

    Raises:
        UserError: there is none.
    """
    if name not in DISTANCES:
        raise UserError(f"--distance {name}: choose one of {', '.join(DISTANCES)}")
    return name
