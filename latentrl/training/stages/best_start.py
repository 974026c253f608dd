"""The best of several starts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from latentrl.live.bars import Shown, opened_bar, watch
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.training.loop import log_history
from latentrl.training.processes import ALONE, Processes, interrupt_of_any
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.trainer import Trainer
from latentrl.training.training import Training

SO_FAR = "starts.safetensors"
SAVED_EVERY = 100
"""Steps, after which the starts are saved, and told where there is no progress bar: to a slow model they take long."""
CURE = "start afresh with --overwrite"


class BestStart(Stage):
    """Several trainings are begun with different weights; the one with the lowest rate goes on."""

    leaves: ClassVar[tuple[str, ...]] = (SO_FAR,)
    continues = True

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if settings.starts == 1:
            return None
        steps = settings.compared_steps
        return f"the lowest rate of {settings.starts} starts after {steps} steps: a high one never falls again"

    def run(self, training: Training) -> None:
        so_far = training.folder / SO_FAR
        training.trainer = best_start(
            training.make, training.settings, training.progress, so_far, training.trainer.processes
        )
        log_history(training.trainer, training.folder, training.trackers)


def best_start(
    make: Callable[[int], Trainer],
    settings: TrainSettings,
    progress: Shown = True,
    so_far: Path | None = None,
    processes: Processes = ALONE,
) -> Trainer:
    """The best of several trainings after their first steps.

    Some initial weights lead to a model that explains each frame but no motion, which shows early in a high rate; no
    label is needed.

    Args:
        make: the trainer of start 0, 1, ..., each with weights and random numbers of its own.
        settings: ``starts`` and ``start_steps``.
        progress: show a progress bar, here or there, else a line now and then.
        so_far: a file to save the starts in as they go on, and to continue from.
        processes: that train together.

    Returns:
        The trainer with the lowest rate, after its ``start_steps``.

    Raises:
        UserError: ``so_far`` is damaged.
    """
    if settings.starts == 1:
        return make(0)
    steps = settings.compared_steps
    starts = _Starts(make) if so_far is None or not so_far.is_file() else _Starts.load(so_far, make)
    with (
        opened_bar(progress, settings.in_all, starts.number * steps + len(starts.rates)) as bar,
        interrupt_of_any(processes) as stop_if_asked,
    ):
        while starts.number < settings.starts:
            bar.set_description_str(f"start {starts.number + 1} of {settings.starts}")
            watch(progress, starts.trainer.history)
            whole = True
            try:
                while len(starts.rates) < steps:
                    stop_if_asked()
                    whole = False
                    starts.advance()
                    whole = True
                    bar.update()
                    if len(starts.rates) % SAVED_EVERY == 0:
                        starts.save(so_far)
                        if not progress:
                            _tell(starts, settings)
            except KeyboardInterrupt:
                # A second Ctrl-C falls within a step, whose half is no state to go on from.
                if whole:
                    starts.save(so_far)
                raise
            rate = starts.finish()
            bar.set_postfix_str(f"rate {rate:.2f} nats/step, lowest {starts.lowest:.2f}")
            starts.save(so_far)
    assert starts.best is not None
    starts.best.seconds = starts.spent
    return starts.best


def _tell(starts: _Starts, settings: TrainSettings) -> None:
    steps, done = settings.compared_steps, len(starts.rates)
    rate, seconds = starts.read()[-1], starts.spent + starts.trainer.seconds
    print(
        f"start {starts.number + 1} of {settings.starts}: step {done} of {steps} "
        f"({starts.number * steps + done} of {settings.in_all} in all), rate {rate:.2f} nats/step, {seconds:.0f} s",
        flush=True,
    )


@dataclass
class _Starts:
    """Several starts at one moment.

    Attributes:
        make: see :func:`best_start`.
        number: of the start that is at work, from 0.
        rates: of its steps, nats per time step; the last of them still on the device.
        best: the best of those that are done.
        lowest: its rate.
        spent: seconds of those that are done.
    """

    make: Callable[[int], Trainer]
    number: int = 0
    rates: list[float | Tensor] = field(default_factory=list)
    best: Trainer | None = None
    best_number: int = 0
    lowest: float = math.inf
    spent: float = 0.0
    _trainer: Trainer | None = None

    @property
    def trainer(self) -> Trainer:
        """Of the start that is at work."""
        if self._trainer is None:
            self._trainer = self.make(self.number)
        return self._trainer

    def advance(self) -> None:
        """One step."""
        trainer = self.trainer
        self.rates.append(trainer.advance().rate.mean())
        if len(self.rates) % SAVED_EVERY == 0:
            self.read()

    def read(self) -> list[float]:
        """The rates as Python's numbers; it waits for the device."""
        length = self.trainer.data.length
        self.rates = [float(rate) / length if isinstance(rate, Tensor) else rate for rate in self.rates]
        return [rate for rate in self.rates if isinstance(rate, float)]

    def finish(self) -> float:
        """Go on to the next start; returns the rate of this one, over its last quarter."""
        self.trainer.look()
        rates = self.read()
        recent = rates[3 * len(rates) // 4 :]
        rate = sum(recent) / len(recent)
        self.spent += self.trainer.seconds
        if self.best is None or rate < self.lowest:
            self.best, self.best_number, self.lowest = self.trainer, self.number, rate
        self.number, self.rates, self._trainer = self.number + 1, [], None
        return rate

    def save(self, path: Path | None) -> None:
        """Write everything that another process needs to go on."""
        if path is None:
            return
        if self.rates:
            self.read()
        numbers = {name: getattr(self, name) for name in ("number", "rates", "best_number", "lowest", "spent")}
        tensors: dict[str, Tensor] = {}
        notes = {"starts": json.dumps(numbers)}
        for name, trainer in (("best", self.best), ("now", self._trainer)):
            if trainer is not None:
                state, strings = trainer.state()
                tensors |= {f"{name}.{key}": value for key, value in state.items()}
                notes[name] = json.dumps({"strings": strings, "history": trainer.history})
        write_tensors(path, tensors, notes)

    @classmethod
    def load(cls, path: Path, make: Callable[[int], Trainer]) -> _Starts:
        """What :meth:`save` wrote.

        Raises:
            UserError: the file is damaged.
        """
        tensors, notes = read_tensors(path, CURE)
        try:
            found = cls(make, **json.loads(notes["starts"]))
            if "best" in notes:
                found.best = _trainer(make(found.best_number), "best", tensors, notes)
            if "now" in notes:
                found._trainer = _trainer(make(found.number), "now", tensors, notes)
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{path} does not fit the settings beside it ({error}): {CURE}") from error
        return found


def _trainer(trainer: Trainer, name: str, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> Trainer:
    """``trainer`` brought to where it was."""
    stored = json.loads(notes[name])
    prefix = f"{name}."
    own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    trainer.load_state(own, stored["strings"])
    trainer.history = stored["history"]
    return trainer
