"""Objectives: how rate and distortion are weighed against each other (Latent Matters, 4.1.2 and Algorithm 3).

An objective knows no model: it turns a :class:`~latentrl.types.RateDistortion` into a scalar, keeps the multiplier and
tells which parameters are trained now. The loss is always ``distortion + beta * rate``, so beta = 1 is the ELBO.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from latentrl.types import RateDistortion

LARGEST_NU = {"geco": 30.0, "rewo": 300.0}
"""The step size of log beta for bounds up to `FAMILIAR`; 300 is the source's for its images (Table A.2)."""
FAMILIAR = 0.03**2
"""Beyond this bound nu falls with it, so that nu times a violation stays what it was: with errors in rad^2, 300 drives
beta to zero for good. Below it nu stays: let grow, on a car's pictures (kappa 0.006) one model of two was useless."""
DYNAMICS_GROUPS = frozenset({"transition", "noise", "prior"})
"""psi, psi_0 and phi_0 of Algorithm 3: what the initial phase leaves alone."""


class Objective(ABC):
    """Weighs rate against distortion; ``beta``, ``constraint`` (C, smoothed) and ``bound`` (kappa^2) go to the log."""

    beta: float = 1.0
    constraint: float = math.nan
    bound: float = math.nan

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


class Annealing(Objective):
    """Linear annealing: beta rises from ``start`` to 1 over ``steps`` updates, whatever the reconstruction is.

    Args:
        steps: updates until beta is 1.
        start: beta at the first of them.
    """

    def __init__(self, steps: int, start: float = 0.0) -> None:
        if steps < 1 or not 0 <= start <= 1:
            raise ValueError(f"annealing needs at least one step and a start of 0 to 1; got {steps} and {start}")
        self.steps, self.start, self.beta = steps, start, start
        self.updates = 0

    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())
        self.beta = self.start + (1 - self.start) * min(1.0, self.updates / self.steps)
        self.updates += 1

    def state(self) -> dict[str, float]:
        return {**super().state(), "updates": float(self.updates)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        self.updates = int(state["updates"])


def step_size(objective: str, bound: float) -> float:
    """The default nu of GECO or REWO for a bound kappa^2."""
    return LARGEST_NU[objective] * min(1.0, FAMILIAR / bound)


class Constrained(Objective):
    """min R subject to C <= kappa^2, with C smoothed over batches.

    Args:
        bound: kappa^2, squared error per observation dimension.
        alpha: weight of the past in the moving average of C.
    """

    def __init__(self, bound: float, alpha: float) -> None:
        if bound <= 0:
            raise ValueError(f"the constraint's bound kappa^2 must be positive; got {bound}")
        self.bound, self.alpha = bound, alpha

    def loosen(self, bound: float) -> None:
        """Do not ask for less than ``bound``."""
        self.bound = max(self.bound, bound)

    def state(self) -> dict[str, float]:
        return {**super().state(), "bound": self.bound}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        # Checkpoints from before it could change have none.
        self.bound = state.get("bound", self.bound)

    def violation(self, terms: RateDistortion) -> float:
        """C - kappa^2 after this batch has entered the moving average."""
        error = float(terms.error.detach().mean())
        first = math.isnan(self.constraint)
        self.constraint = error if first else (1 - self.alpha) * error + self.alpha * self.constraint
        return self.constraint - self.bound


class GECO(Constrained):
    """Eq. 3.4 (Rezende and Viola 2018): lambda <- lambda exp(nu (C - kappa^2)), written for beta = 1 / lambda.

    Nothing draws beta to 1: it settles where C equals the bound, above 1 if that is loose. All parameters are trained
    from the first step.

    Args:
        bound: kappa^2, squared error per observation dimension.
        nu: step size of log lambda; :func:`step_size` if None. The source gives none for sequences: this one
            halves beta in about a step while C is that of the mean image (36 times the bound), and doubles it in about
            thirty once C is well below the bound.
        alpha: weight of the past in the moving average of C.
        limits: smallest and largest beta. Without the first, the exponent of a long violation takes as long to undo.
    """

    def __init__(
        self, bound: float, nu: float | None = None, alpha: float = 0.9, limits: tuple[float, float] = (1e-6, 1e2)
    ) -> None:
        super().__init__(bound, alpha)
        self.nu, self.limits = step_size("geco", bound) if nu is None else nu, limits

    def update(self, terms: RateDistortion) -> None:
        log_beta = math.log(self.beta) - self.nu * self.violation(terms)
        smallest, largest = map(math.log, self.limits)
        self.beta = math.exp(min(max(log_beta, smallest), largest))


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
        self.initial_phase = True

    def update(self, terms: RateDistortion) -> None:
        delta = self.violation(terms)
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


@dataclass(frozen=True)
class ObjectiveSettings:
    """What a training tells its objective.

    Attributes:
        bound: kappa^2, for constrained optimisation.
        annealing_steps: updates until beta is 1, for annealing.
    """

    bound: float
    annealing_steps: int


OBJECTIVES: dict[str, Callable[[ObjectiveSettings], Objective]] = {
    "elbo": lambda settings: ELBO(),
    "annealing": lambda settings: Annealing(settings.annealing_steps),
    "geco": lambda settings: GECO(settings.bound),
    "rewo": lambda settings: REWO(settings.bound),
}
