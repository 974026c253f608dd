"""REWO for independent frames (Latent Matters, Algorithm 2), and the update that the source compares it with."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from latentrl.objectives.base import Scalar, scalar
from latentrl.objectives.rewo import REWO
from latentrl.types import RateDistortion

START = 1e-3
"""beta at the start; the source says no more than that it is much smaller than 1."""
LARGEST_STEP, STEP = 5.0, 0.18**2
"""nu of Table A.1 for kappa = 0.02, and nu kappa^2 of its kappa = 0.18, where nu is 1."""


def frame_step_size(bound: float) -> float:
    """The default nu for a bound kappa^2: Table A.1's 5 at kappa = 0.02 and 1 at 0.18, falling as 1 / kappa^2."""
    return min(LARGEST_STEP, STEP / bound)


class IndependentREWO(REWO):
    """Algorithm 2: as Algorithm 3, but beta begins far below 1 and rests until C first satisfies the constraint.

    Then beta moves by Eq. 3.11: where the constraint holds with the slope tanh(tau (beta - 1)), else as in GECO.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log beta; :func:`frame_step_size` if None.
        tau: slope while the constraint holds; 3 in the source's Figure 3.1, which is the only place that names one.
        alpha: weight of the past in the moving average of C.
        start: the first beta.
    """

    def __init__(
        self, bound: float, nu: float | None = None, tau: float = 3.0, alpha: float = 0.9, start: float = START
    ) -> None:
        super().__init__(bound, frame_step_size(bound) if nu is None else nu, tau, 1.0, alpha)
        self.beta: Scalar = scalar(start)

    def update(self, terms: RateDistortion) -> None:
        before = torch.as_tensor(self.beta)
        super().update(terms)
        self.beta = torch.where(self.initial_phase, before, torch.as_tensor(self.beta))


class ReciprocalREWO(REWO):
    """REWO with lambda = 1 + tau gamma, gamma <- gamma exp(nu (C - kappa^2)), Eq. 3.12, so that beta = 1 / lambda.

    beta stays in (0, 1) whatever it begins with, Eq. 3.13, and draws to 1 as long as C is below the bound. The source
    found it harder to tune than Eq. 3.11.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log gamma.
        tau: slope.
        alpha: weight of the past in the moving average of C.
        start: the first beta.
        rests: whether beta rests in the initial phase, as in Algorithm 2.
    """

    LIMITS = (-30.0, 30.0)
    """Of log (tau gamma): the exponent of a long violation would take as long to undo."""
    tau: float
    rests: bool
    log_gamma: Tensor
    beta: Scalar
    initial_phase: Tensor

    def __init__(
        self,
        bound: float,
        nu: float,
        tau: float = 1.0,
        alpha: float = 0.9,
        start: float = 0.5,
        rests: bool = False,
    ) -> None:
        super().__init__(bound, nu, alpha=alpha)
        self.tau, self.rests = tau, rests
        self.log_gamma = scalar(math.log((1 / start - 1) / tau))
        self.beta = scalar(start)

    def update(self, terms: RateDistortion) -> None:
        delta = self.violation(terms)
        self.initial_phase = self.initial_phase & (delta > 0)
        before = torch.as_tensor(self.log_gamma)
        smallest, largest = (limit - math.log(self.tau) for limit in self.LIMITS)
        moved = (before + self.nu * delta).clamp(smallest, largest)
        self.log_gamma = torch.where(self.initial_phase & self.rests, before, moved)
        self.beta = 1 / (1 + self.tau * self.log_gamma.exp())

    def state(self) -> dict[str, float]:
        return {**super().state(), "log_gamma": float(self.log_gamma)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        self.log_gamma = scalar(state["log_gamma"])
