"""Planners: each searches actions inside a model, seeing nothing but its transition and a reward."""

from __future__ import annotations

from latentrl.agents.planners.cem import CEM, CEMOptions

PLANNERS = {"cem": CEM}

__all__ = ["PLANNERS", "CEM", "CEMOptions"]
