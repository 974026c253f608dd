"""The fits before and after a training on a chart: how fast they learn, and what is shown of it meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from latentrl.live.bars import Shown, opened_bar

LEARNING_RATE = 1e-3
"""Of networks that are fitted to single frames."""
SHOWN_EVERY = 20
TOLD_FROM, TOLD = 1000, 5
"""Steps from which on a fit without a progress bar tells where it is, and how often."""


class Fitting:
    """The steps of a fit: iterate over it, and report every step's error to it.

    Learning rates stay for a third of the steps, then fall linearly towards zero.

    Args:
        optimiser: whose learning rates are set before every step, relative to what they are now.
        steps: to take.
        name: on the progress bar.
        progress: whether, or where, to show one.
        done: steps that were taken before.
        shown: what the error is called on the bar.

    Attributes:
        error: running mean of the reported errors, over about ten steps; NaN before the first.
    """

    error: float

    def __init__(
        self,
        optimiser: Optimizer,
        steps: int,
        name: str,
        progress: Shown = True,
        done: int = 0,
        shown: str = "C",
    ) -> None:
        self.error, self._shown = math.nan, shown
        self._optimiser, self._steps, self._step = optimiser, steps, done
        self._rates = [group["lr"] for group in optimiser.param_groups]
        self._name, self._told = name, not progress and steps >= TOLD_FROM
        self._bar = opened_bar(progress, steps, done, name)

    def __iter__(self) -> Iterator[int]:
        with self._bar:
            for step in range(self._step, self._steps):
                for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
                    group["lr"] = rate * min(1.0, 1.5 * (1 - step / self._steps))
                self._step = step
                yield step
                self._bar.update()

    def step(self, loss: Tensor, error: Tensor | None = None, **figures: Tensor) -> None:
        """One gradient step on ``loss``; reports ``error``, or else the loss, and ``figures``; all are scalars."""
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        told = {name: float(value.detach()) for name, value in figures.items()}
        self.tell(float((loss if error is None else error).detach()), **told)

    def tell(self, error: float, **figures: float) -> None:
        """Report the step's ``error``, and other figures to show beside it."""
        self.error = error if math.isnan(self.error) else 0.9 * self.error + 0.1 * error
        if self._told and (self._step + 1) % (self._steps // TOLD) == 0:
            print(f"{self._name}: step {self._step + 1} of {self._steps}, {self._shown} {self.error:.2g}", flush=True)
        if self._step % SHOWN_EVERY == 0:
            shown = {name.replace("_", " "): value for name, value in figures.items()} | {self._shown: self.error}
            self._bar.set_postfix_str(", ".join(f"{name} {value:.2g}" for name, value in shown.items()))
