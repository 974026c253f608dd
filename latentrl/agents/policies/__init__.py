"""Policies: learned once inside a model, then fast to ask."""

from __future__ import annotations

from latentrl.agents.policies.analytic_gradient import AnalyticGradient, AnalyticGradientOptions, StartStates, Update
from latentrl.agents.policies.mlp import MLPPolicy, load_policy, save_policy

POLICIES = {"analytic-gradient": AnalyticGradient}

__all__ = [
    "POLICIES",
    "AnalyticGradient",
    "AnalyticGradientOptions",
    "MLPPolicy",
    "StartStates",
    "Update",
    "load_policy",
    "save_policy",
]
