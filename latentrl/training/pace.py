"""The pace of a training: it goes on to what is harder while the model meets its constraint, not because steps go by.

How soon a network draws a sharper picture depends on the picture's size, on what it shows and on the network. Where the
blur was taken back regardless, the constraint was violated, beta fell, and what the encoder then did without the
rate's hold, it never unlearned (docs/ekvae.md). A departure from the source.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        clock: the steps that counted.
        waited: steps that did not, since the constraint was last met.
    """

    start: int
    end: int
    patience: int
    loosen: bool = True
    clock: int = 0
    waited: int = 0

    def tick(self, objective: Objective) -> int:
        """Count this step, unless ``objective`` is to be waited for; returns the clock.

        Objectives without a bound (NaN, as the error before the first step) are not waited for.
        """
        bound, error = objective.bound, objective.constraint
        if not error > bound:
            self.waited = 0
        elif self.patience and self.start <= self.clock < self.end:
            self.waited += 1
            if self.waited <= self.patience:
                return self.clock
            if self.loosen and isinstance(objective, Constrained):
                objective.loosen(LOOSER * error)
                self.waited = 0
        self.clock += 1
        return self.clock

    def state(self) -> dict[str, int]:
        """What changes, for a checkpoint."""
        return {"clock": self.clock, "waited": self.waited}
