"""Objectives: how rate and distortion are weighed against each other (Latent Matters, 4.1.2 and Algorithm 3).

An objective knows no model: it turns a :class:`~latentrl.types.RateDistortion` into a scalar, keeps the multiplier and
tells which parameters are trained now. The loss is always ``distortion + beta * rate``, so beta = 1 is the ELBO.

What changes from batch to batch stays where the terms are computed, as tensors without dimensions: on a GPU a number
that Python reads is waited for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.types import RateDistortion

Scalar = Tensor | float
"""A number: a float64 tensor without dimensions, or a Python float, which is fixed or read from the device."""


def scalar(value: float) -> Tensor:
    """``value`` as a number that can live on a device: as exact as Python's."""
    return torch.tensor(value, dtype=torch.float64)


def batch_error(terms: RateDistortion) -> Tensor:
    """The mean error of a batch, float64, without a gradient and without waiting for the device."""
    return terms.error.detach().mean().double()


class Objective(ABC):
    """Weighs rate against distortion; ``beta``, ``constraint`` (C, smoothed) and ``bound`` (kappa^2) go to the log.

    An update gives an attribute another tensor and changes none in place: a loss whose gradient is still to come holds
    the one before. One of your own that keeps Python's numbers works as well, and waits for the device at every step;
    the suite refuses it.
    """

    beta: Scalar = 1.0
    constraint: Scalar = math.nan
    bound: Scalar = math.nan

    def loss(self, terms: RateDistortion) -> Tensor:
        """Mean over the batch of distortion + beta * rate, in nats per sequence (Latent Matters, Eq. 4.3-4.5)."""
        return (terms.distortion + self.beta * terms.rate).mean()

    @abstractmethod
    def update(self, terms: RateDistortion) -> None:
        """Move beta (and the phase) after the loss of a batch is known and before its gradient step."""

    def frozen(self) -> frozenset[str]:
        """Names of the model's parameter groups that must not move at this step."""
        return frozenset()

    def shares(self) -> Mapping[str, Scalar]:
        """What the learning rates of groups are multiplied with at this step; 1 for groups that are not named.

        What :meth:`frozen` says, for a training that is not to wait for it.
        """
        return dict.fromkeys(self.frozen(), 0.0)

    def to(self, device: torch.device) -> None:
        """Keep what changes on ``device``."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))

    def state(self) -> dict[str, float]:
        """Everything that changes during training, for a checkpoint."""
        return {"beta": float(self.beta), "constraint": float(self.constraint)}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Continue from :meth:`state`."""
        self.beta, self.constraint = scalar(state["beta"]), scalar(state["constraint"])


@dataclass(frozen=True)
class ObjectiveSettings:
    """What an objective is made with.

    Attributes:
        bound: kappa^2, for constrained optimisation.
        annealing_steps: updates until beta is 1, for annealing.
        annealing_period: updates after which annealing begins again; None: never.
        frames: whether what is learned are independent frames, for which constrained optimisation is another.
    """

    bound: float
    annealing_steps: int
    annealing_period: int | None = None
    frames: bool = False
