"""Networks fitted to single frames: how fast they learn, and what is shown of it meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch.optim import Optimizer
from tqdm import tqdm

LEARNING_RATE = 1e-3
SHOWN_EVERY = 20


class FrameFitting:
    """The steps of a fit: iterate over it, and tell it every step's error.

    The learning rate stays at ``LEARNING_RATE`` for a third of the steps, then falls linearly towards zero.

    Args:
        optimiser: whose learning rate is set before every step.
        steps: to take.
        name: on the progress bar.
        progress: show one.
        done: steps that were taken before.

    Attributes:
        error: running mean of the errors told, over about ten steps; NaN before the first.
    """

    def __init__(self, optimiser: Optimizer, steps: int, name: str, progress: bool = True, done: int = 0) -> None:
        self.error = math.nan
        self._optimiser, self._steps, self._step = optimiser, steps, done
        self._bar = tqdm(total=steps, initial=done, disable=not progress, unit="step", dynamic_ncols=True, desc=name)

    def __iter__(self) -> Iterator[int]:
        with self._bar:
            for step in range(self._step, self._steps):
                for group in self._optimiser.param_groups:
                    group["lr"] = LEARNING_RATE * min(1.0, 1.5 * (1 - step / self._steps))
                self._step = step
                yield step
                self._bar.update()

    def tell(self, error: float, **figures: float) -> None:
        """What the step has left: ``error``, shown as C, and other figures to show beside it."""
        self.error = error if math.isnan(self.error) else 0.9 * self.error + 0.1 * error
        if self._step % SHOWN_EVERY == 0:
            shown = {name.replace("_", " "): value for name, value in figures.items()} | {"C": self.error}
            self._bar.set_postfix_str(", ".join(f"{name} {value:.1e}" for name, value in shown.items()))
