"""Annealing: beta rises linearly."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from latentrl.objectives.base import Objective, Scalar, batch_error, scalar
from latentrl.types import RateDistortion


class Annealing(Objective):
    """Linear annealing: beta rises from ``start`` to 1 over ``steps`` updates, whatever the reconstruction is.

    With a period it falls back to ``start`` and rises again, which is cyclical annealing (Fu et al., 2019).

    Args:
        steps: updates until beta is 1.
        start: beta at the first of them.
        period: updates after which all begins again; None: never.
    """

    steps: int
    start: float
    beta: Scalar
    period: int | None
    updates: Tensor
    constraint: Scalar

    def __init__(self, steps: int, start: float = 0.0, period: int | None = None) -> None:
        if steps < 1 or not 0 <= start <= 1:
            raise ValueError(f"annealing needs at least one step and a start of 0 to 1; got {steps} and {start}")
        if period is not None and period < 1:
            raise ValueError(f"a cycle of annealing takes one step or more; got {period}")
        self.steps, self.start, self.beta, self.period = steps, start, scalar(start), period
        self.updates = scalar(0)

    def update(self, terms: RateDistortion) -> None:
        self.constraint = batch_error(terms)
        done = self.updates if self.period is None else self.updates % self.period
        self.beta = self.start + (1 - self.start) * (done / self.steps).clamp(max=1.0)
        self.updates = self.updates + 1

    def state(self) -> dict[str, float]:
        return {**super().state(), "updates": float(self.updates)}

    def load_state(self, state: Mapping[str, float]) -> None:
        super().load_state(state)
        self.updates = scalar(state["updates"])
