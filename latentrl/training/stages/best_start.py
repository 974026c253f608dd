"""The best of several starts."""

from __future__ import annotations

import math
from collections.abc import Callable

from tqdm import tqdm

from latentrl.training.loop import log_history
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.trainer import Trainer
from latentrl.training.training import Training


class BestStart(Stage):
    """Several trainings are begun with different weights; the one with the lowest rate goes on."""

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if settings.starts == 1:
            return None
        steps = min(settings.start_steps, settings.steps)
        return f"the lowest rate of {settings.starts} starts after {steps} steps: a high one never falls again"

    def run(self, training: Training) -> None:
        training.trainer = best_start(training.make, training.settings, training.progress)
        log_history(training.trainer, training.folder)


def best_start(make: Callable[[int], Trainer], settings: TrainSettings, progress: bool = True) -> Trainer:
    """The best of several trainings after their first steps.

    Some initial weights lead to a model that explains each frame but no motion, which shows early in a high rate; no
    label is needed.

    Args:
        make: the trainer of start 0, 1, ..., each with weights and random numbers of its own.
        settings: ``starts`` and ``start_steps``.
        progress: show a progress bar.

    Returns:
        The trainer with the lowest rate, after its ``start_steps``.
    """
    if settings.starts == 1:
        return make(0)
    steps = min(settings.start_steps, settings.steps)
    best, lowest, spent = None, math.inf, 0.0
    with tqdm(total=settings.starts * steps, disable=not progress, unit="step", dynamic_ncols=True) as bar:
        for number in range(settings.starts):
            bar.set_description_str(f"start {number + 1} of {settings.starts}")
            trainer, rates = make(number), []
            for _ in range(steps):
                rates.append(float(trainer.advance().rate.mean()) / trainer.data.length)
                bar.update()
            recent = rates[3 * steps // 4 :]
            rate = sum(recent) / len(recent)
            bar.set_postfix_str(f"rate {rate:.2f} nats/step, lowest {min(rate, lowest):.2f}")
            spent += trainer.seconds
            if best is None or rate < lowest:
                best, lowest = trainer, rate
    assert best is not None
    best.seconds = spent
    return best
