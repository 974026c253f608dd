"""Planners: each searches actions inside a model, seeing nothing but its transition and a reward."""

from __future__ import annotations

from collections.abc import Callable

from latentrl.agents.planners.cem import CEM, CEMOptions
from latentrl.agents.planners.ilqr import ILQR, ILQROptions
from latentrl.agents.planners.mppi import MPPI, MPPIOptions
from latentrl.types import Planner

PLANNERS: dict[str, Callable[..., Planner]] = {"cem": CEM, "ilqr": ILQR, "mppi": MPPI}
"""``PLANNERS[name](low, high, options)``: bounds ``[Du]`` each, and a dataclass of settings that may be left out."""

__all__ = ["CEM", "ILQR", "MPPI", "PLANNERS", "CEMOptions", "ILQROptions", "MPPIOptions"]
