"""Objectives: how rate and distortion are weighed against each other (Latent Matters, 4.1.2 and Algorithm 3).

An objective knows no model: it turns a :class:`~latentrl.types.RateDistortion` into a scalar, keeps the multiplier and
tells which parameters are trained now. The loss is always ``distortion + beta * rate``, so beta = 1 is the ELBO.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from latentrl.types import RateDistortion

DYNAMICS_GROUPS = frozenset({"transition", "noise", "prior"})
"""psi, psi_0 and phi_0 of Algorithm 3: what the initial phase leaves alone."""


class Objective(ABC):
    """Weighs rate against distortion; ``beta`` and ``constraint`` (C, smoothed) are for the log."""

    beta: float = 1.0
    constraint: float = math.nan

    def loss(self, terms: RateDistortion) -> Tensor:
        """Mean over the batch of distortion + beta * rate, in nats per sequence."""
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


class ELBO(Objective):
    """The plain evidence lower bound: beta = 1."""

    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())


class REWO(Objective):
    """Algorithm 3: constrained optimisation, min R subject to C <= kappa^2, with beta = 1 / lambda in (0, 1].

    Until C first satisfies the constraint (the initial phase) only encoder and decoder are trained.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log beta.
        tau1: slope while the constraint holds.
        tau2: slope while it is violated.
        alpha: weight of the past in the moving average of C.
        floor: smallest beta; the source has none (0).
        freeze_dynamics: as the source; False trains all parameters from the first step.
    """

    def __init__(
        self,
        bound: float,
        nu: float = 300.0,
        tau1: float = 10.0,
        tau2: float = 0.01,
        alpha: float = 0.9,
        floor: float = 0.0,
        freeze_dynamics: bool = True,
    ) -> None:
        if bound <= 0:
            raise ValueError(f"the constraint's bound kappa^2 must be positive; got {bound}")
        self.bound, self.nu, self.tau1, self.tau2 = bound, nu, tau1, tau2
        self.alpha, self.floor, self.freeze_dynamics = alpha, floor, freeze_dynamics
        self.initial_phase = True

    def update(self, terms: RateDistortion) -> None:
        error = float(terms.error.detach().mean())
        self.constraint = (
            error if math.isnan(self.constraint) else (1 - self.alpha) * error + self.alpha * self.constraint
        )
        delta = self.constraint - self.bound
        slope = math.tanh(self.tau1 * (self.beta - 1)) if delta <= 0 else -self.tau2
        self.beta = max(self.floor, self.beta * math.exp(self.nu * slope * delta))
        # Rounding may carry the fixed point beta = 1 a few ulps over, where the sign of the slope turns.
        self.beta = min(1.0, self.beta)
        if delta <= 0:
            self.initial_phase = False

    def frozen(self) -> frozenset[str]:
        return DYNAMICS_GROUPS if self.initial_phase and self.freeze_dynamics else frozenset()

    def state(self) -> dict[str, float]:
        return {**super().state(), "initial_phase": float(self.initial_phase)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        self.initial_phase = bool(state["initial_phase"])
