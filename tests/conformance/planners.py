"""Planners of a given horizon, for the suites: what stands in ``PLANNERS`` alone, or with options of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from latentrl.agents.planners import PLANNERS
from latentrl.types import Planner


def with_horizon(name: str, low: Tensor, high: Tensor, horizon: int) -> Planner:
    """A planner with its own default options but for the horizon."""
    planner: Any = PLANNERS[name](low, high)
    return PLANNERS[name](low, high, replace(planner.options, horizon=horizon))
