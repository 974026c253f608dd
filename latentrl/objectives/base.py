"""Objectives: how rate and distortion are weighed against each other (Latent Matters, 4.1.2 and Algorithm 3).

An objective knows no model: it turns a :class:`~latentrl.types.RateDistortion` into a scalar, keeps the multiplier and
tells which parameters are trained now. The loss is always ``distortion + beta * rate``, so beta = 1 is the ELBO.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from latentrl.types import RateDistortion


class Objective(ABC):
    """Weighs rate against distortion; ``beta``, ``constraint`` (C, smoothed) and ``bound`` (kappa^2) go to the log."""

    beta: float = 1.0
    constraint: float = math.nan
    bound: float = math.nan

    def loss(self, terms: RateDistortion) -> Tensor:
        """Mean over the batch of distortion + beta * rate, in nats per sequence (Latent Matters, Eq. 4.3-4.5)."""
        return (terms.distortion + self.beta * terms.rate).mean()

    @abstractmethod
    def update(self, terms: RateDistortion) -> None:
        """Move beta (and the phase) after the loss of a batch is known and before its gradient step."""

    def frozen(self) -> frozenset[str]:
        """Names of the model's parameter groups that must not move at this step."""
        return frozenset()

    def state(self) -> dict[str, float]:
        """Everything that changes during training, for a checkpoint."""
        return {"beta": self.beta, "constraint": self.constraint}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Continue from :meth:`state`."""
        self.beta, self.constraint = state["beta"], state["constraint"]


@dataclass(frozen=True)
class ObjectiveSettings:
    """What an objective is made with.

    Attributes:
        bound: kappa^2, for constrained optimisation.
        annealing_steps: updates until beta is 1, for annealing.
    """

    bound: float
    annealing_steps: int
