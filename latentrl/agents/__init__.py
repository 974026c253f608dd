"""Agents: what acts on beliefs. They know models only through the protocols of `latentrl.types`."""

from __future__ import annotations

from latentrl.agents.controllers import Controller, PlannerController, PolicyController, RandomController
from latentrl.agents.latent import LatentAgent

__all__ = ["Controller", "LatentAgent", "PlannerController", "PolicyController", "RandomController"]
