"""GECO (Latent Matters, Eq. 3.4)."""

from __future__ import annotations

import math

import torch

from latentrl.objectives.base import Scalar, scalar
from latentrl.objectives.constrained import Constrained, step_size
from latentrl.types import RateDistortion


class GECO(Constrained):
    """Eq. 3.4 (Rezende and Viola 2018): ``lambda <- lambda exp(nu (C - kappa^2))``, written for ``beta = 1 / lambda``.

    Nothing draws beta to 1: it settles where C equals the bound, above 1 if that is loose. All parameters are trained
    from the first step.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log lambda; :func:`step_size` if None. The source gives none for sequences (docs/ekvae.md).
        alpha: weight of the past in the moving average of C.
        limits: smallest and largest beta. Without the first, the exponent of a long violation takes as long to undo.
        start: the first beta.
    """

    beta: Scalar
    nu: float
    limits: tuple[float, float]

    def __init__(
        self,
        bound: float,
        nu: float | None = None,
        alpha: float = 0.9,
        limits: tuple[float, float] = (1e-6, 1e2),
        start: float = 1.0,
    ) -> None:
        super().__init__(bound, alpha)
        self.beta = scalar(start)
        self.nu, self.limits = step_size("geco", bound) if nu is None else nu, limits

    def update(self, terms: RateDistortion) -> None:
        log_beta = torch.as_tensor(self.beta).log() - self.nu * self.violation(terms)
        smallest, largest = map(math.log, self.limits)
        self.beta = log_beta.clamp(smallest, largest).exp()
