"""The pace of a training: it goes on to what is harder while the model meets its constraint, not because steps go by.

How soon a network draws a sharper picture depends on the picture's size, on what it shows and on the network. Where the
blur was taken back regardless, the constraint was violated, beta fell, and what the encoder then did without the
rate's hold, it never unlearned (docs/ekvae.md). A departure from the source.

The clock is where the constraint is, on the device: what Python knows of it is what it was when it last looked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latentrl.objectives.base import Objective
from latentrl.objectives.constrained import Constrained

LOOSER = 1.5
"""A bound that was not met in time is raised to so many times the error that is left."""


@dataclass
class Pace:
    """Counts the steps that schedules go by: between ``start`` and ``end`` only those at which the constraint is met.

    Args:
        start: last step that counts in any case.
        end: step from which on all count again.
        patience: steps to wait for the constraint; 0 to count them all. Then the bound is raised to what the model can
            draw, if it may be, and otherwise the schedule goes on without.
        loosen: whether the bound may be raised.
        clock: the steps that counted, an integer without dimensions.
        waited: steps that did not, since the constraint was last met.
        known: a number that the clock has reached, for what is over by then; see :meth:`look`.
    """

    start: int
    end: int
    patience: int
    loosen: bool = True
    clock: Tensor | int = 0
    waited: Tensor | int = 0
    known: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        self.clock, self.waited = (torch.as_tensor(count, dtype=torch.int64) for count in (self.clock, self.waited))
        self.look()

    def tick(self, objective: Objective) -> Tensor:
        """Count this step, unless ``objective`` is to be waited for; returns the clock.

        Objectives without a bound (NaN, as the error before the first step) are not waited for.
        """
        clock, waited = torch.as_tensor(self.clock), torch.as_tensor(self.waited)
        bound, error = objective.bound, objective.constraint
        if not self.patience or (isinstance(bound, float) and math.isnan(bound)):
            self.clock = clock + 1
            return self.clock
        unmet = torch.as_tensor(error > bound)
        waiting = unmet & (clock >= self.start) & (clock < self.end)
        waited = waited * unmet + waiting
        late = waiting & (waited > self.patience)
        if self.loosen and isinstance(objective, Constrained):
            objective.loosen(LOOSER * error, late)
            waited = waited * ~late
        self.clock, self.waited = clock + ~(waiting & ~late), waited
        return self.clock

    def look(self) -> None:
        """Know what the clock is now; it waits for the device."""
        self.known = int(self.clock)

    def to(self, device: torch.device) -> None:
        """Count on ``device``."""
        self.clock, self.waited = (torch.as_tensor(count).to(device) for count in (self.clock, self.waited))

    def state(self) -> dict[str, int]:
        """What changes, for a checkpoint."""
        return {"clock": int(self.clock), "waited": int(self.waited)}
