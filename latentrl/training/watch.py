"""The first gradient that is not finite: noticed on the device, told when Python looks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.objectives.base import Objective, Scalar


class Divergence(NamedTuple):
    """What a gradient was that is not finite.

    Attributes:
        step: at which.
        norm: of the gradient.
        beta: the objective's.
        constraint: the objective's C.
    """

    step: int
    norm: float
    beta: float
    constraint: float


class Watch:
    """Counts the steps, and remembers the first that must not be taken.

    Args:
        device: of the gradients.
    """

    def __init__(self, device: torch.device) -> None:
        self.steps: Tensor = torch.zeros((), dtype=torch.float64, device=device)
        self.first: Tensor = torch.zeros(len(Divergence._fields), dtype=torch.float64, device=device)

    def begin(self, step: int) -> None:
        """So many steps were taken, and all their gradients finite."""
        self.steps, self.first = torch.full_like(self.steps, step), torch.zeros_like(self.first)

    def see(self, norm: Tensor, objective: Objective) -> Tensor:
        """Count a step; 1 if its gradient, of ``norm``, or one before is not finite, else 0: a float32 scalar.

        After the first such gradient no step is taken, so that the weights stay as they were before it.
        """
        self.steps = self.steps + 1
        now = torch.stack([self.steps, *map(self._here, (norm, objective.beta, objective.constraint))])
        new = ~norm.isfinite() & (self.first[0] == 0)
        self.first = torch.where(new, now, self.first)
        return (self.first[0] > 0).float()

    def found(self) -> Divergence | None:
        """The first gradient that was not finite, if there was one; it waits for the device."""
        step, *rest = self.first.tolist()
        return Divergence(int(step), *rest) if step > 0 else None

    def _here(self, value: Scalar) -> Tensor:
        return value.double() if isinstance(value, Tensor) else torch.full_like(self.steps, value)
