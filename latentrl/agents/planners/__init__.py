"""Planners: each searches actions inside a model, seeing nothing but its transition and a reward."""

from __future__ import annotations

from latentrl.agents.planners.cem import CEM, CEMOptions
from latentrl.agents.planners.ilqr import ILQR, ILQROptions
from latentrl.agents.planners.mppi import MPPI, MPPIOptions

PLANNERS = {"cem": CEM, "ilqr": ILQR, "mppi": MPPI}

__all__ = ["CEM", "ILQR", "MPPI", "PLANNERS", "CEMOptions", "ILQROptions", "MPPIOptions"]
