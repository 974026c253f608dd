"""REWO (Latent Matters, Algorithm 3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from latentrl.objectives.base import Scalar
from latentrl.objectives.constrained import Constrained, step_size
from latentrl.types import RateDistortion

DYNAMICS_GROUPS = frozenset({"transition", "noise", "prior"})
"""psi, psi_0 and phi_0 of Algorithm 3: what the initial phase leaves alone."""


class REWO(Constrained):
    """Algorithm 3: constrained optimisation, min R subject to C <= kappa^2, with beta = 1 / lambda in (0, 1].

    Until C first satisfies the constraint (the initial phase) only encoder and decoder are trained.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log beta; :func:`step_size` if None.
        tau1: slope while the constraint holds.
        tau2: slope while it is violated.
        alpha: weight of the past in the moving average of C.
        floor: smallest beta; the source has none (0).
        freeze_dynamics: as the source; False trains all parameters from the first step.
    """

    nu: float
    tau1: float
    tau2: float
    floor: float
    freeze_dynamics: bool
    initial_phase: Tensor
    beta: Scalar

    def __init__(
        self,
        bound: float,
        nu: float | None = None,
        tau1: float = 10.0,
        tau2: float = 0.01,
        alpha: float = 0.9,
        floor: float = 0.0,
        freeze_dynamics: bool = True,
    ) -> None:
        super().__init__(bound, alpha)
        self.nu = step_size("rewo", bound) if nu is None else nu
        self.tau1, self.tau2 = tau1, tau2
        self.floor, self.freeze_dynamics = floor, freeze_dynamics
        self.initial_phase = torch.tensor(True)

    def update(self, terms: RateDistortion) -> None:
        delta = self.violation(terms)
        met, beta = delta <= 0, torch.as_tensor(self.beta)
        slope = torch.where(met, (self.tau1 * (beta - 1)).tanh(), -self.tau2)
        # Rounding may carry the fixed point beta = 1 a few ulps over, where the sign of the slope turns.
        self.beta = (beta * (self.nu * slope * delta).exp()).clamp(self.floor, 1.0)
        self.initial_phase = self.initial_phase & ~met

    def frozen(self) -> frozenset[str]:
        return DYNAMICS_GROUPS if self.freeze_dynamics and bool(self.initial_phase) else frozenset()

    def shares(self) -> Mapping[str, Scalar]:
        if not self.freeze_dynamics:
            return {}
        return dict.fromkeys(DYNAMICS_GROUPS, (~self.initial_phase).double())

    def state(self) -> dict[str, float]:
        return {**super().state(), "initial_phase": float(self.initial_phase)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        self.initial_phase = torch.tensor(bool(state["initial_phase"]))
