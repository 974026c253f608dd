"""Planners: each searches actions inside a model, seeing nothing but its transition and a reward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from latentrl.agents.planners.cem import CEM, CEMOptions
from latentrl.agents.planners.common import HasHorizon
from latentrl.agents.planners.ilqr import ILQR, ILQROptions
from latentrl.agents.planners.mppi import MPPI, MPPIOptions
from latentrl.support.errors import UserError
from latentrl.types import Planner

PLANNERS: dict[str, Callable[..., Planner]] = {"cem": CEM, "ilqr": ILQR, "mppi": MPPI}
"""``PLANNERS[name](low, high, options)``: bounds ``[Du]`` each, and a dataclass of settings that may be left out."""

__all__ = ["CEM", "ILQR", "MPPI", "PLANNERS", "CEMOptions", "ILQROptions", "MPPIOptions", "make_planner"]


def make_planner(name: str, low: Tensor, high: Tensor, horizon: int | None = None) -> Planner:
    """One of `PLANNERS` within bounds ``[Du]`` each, with its own settings but for the horizon where one is given.

    Raises:
        UserError: a horizon for a planner whose settings have none.
    """
    made = PLANNERS[name](low, high)
    if horizon is None:
        return made
    options: HasHorizon | None = getattr(made, "options", None)
    if not hasattr(options, "horizon"):
        raise UserError(f"--horizon {horizon}: planner {name} has no options with a horizon; leave it out")
    return PLANNERS[name](low, high, replace(options, horizon=horizon))  # type: ignore[type-var]
