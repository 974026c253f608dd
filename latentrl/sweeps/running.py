"""Run the trials of a sweep, each a training in a process of its own; stop those that are behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentrl.runs.folder import SETTINGS, is_finished
from latentrl.studies.cells import command, reason
from latentrl.studies.launchers.base import Ending, Job
from latentrl.studies.launchers.local import run_jobs
from latentrl.support.errors import UserError
from latentrl.sweeps.figures import judged, losses
from latentrl.sweeps.ranges import Value
from latentrl.sweeps.trials import Trials

LOOK_SECONDS = 1.0
FAILED_AT_FIRST = 3
"""Trials in a row that fail before any succeeds: then all would."""


@dataclass
class _Running:
    trial: Any
    folder: Path
    reported: dict[int, float] = field(default_factory=dict)
    pruned: bool = False


def run_sweep(trials: Trials, count: int, workers: int, held: list[int]) -> None:
    """Bring ``count`` trials to their end, those before this call included.

    Args:
        trials: kept up to date.
        count: in all.
        workers: processes at a time.
        held: file descriptors that the processes keep open.

    Raises:
        UserError: the first trials all fail.
        KeyboardInterrupt: on Ctrl-C, after every training has saved its state.
    """
    runner = _Runner(trials, count)
    first = [job for job in (runner.next() for _ in range(workers)) if job is not None]
    run_jobs(first, workers, on_end=runner.ended, on_tick=runner.tick, inherited=held)


class _Runner:
    """Jobs of trials, each followed by the next trial's."""

    def __init__(self, trials: Trials, count: int) -> None:
        self.trials, self.count = trials, count
        self.running: dict[str, _Running] = {}
        self.looked = 0.0

    def next(self) -> Job | None:
        if len(self.trials.ended) + len(self.running) >= self.count:
            return None
        trial, values, folder = self.trials.ask()
        name = f"trial {trial.number}"
        self.running[name] = _Running(trial, folder)
        return Job(name, command("latentrl.train", self._words(folder, values)), folder.with_name(f"{folder.name}.log"))

    def _words(self, folder: Path, values: Mapping[str, Value]) -> tuple[str, ...]:
        if (folder / SETTINGS).is_file():
            return ("--run", str(folder), "--resume", "--no-progress")
        if folder.is_dir():
            shutil.rmtree(folder)  # it ended before there was anything to go on with
        return ("--run", str(folder), *self.trials.sweep.words(values), "--no-progress")

    def ended(self, job: Job, ending: Ending) -> Job | None:
        one = self.running.pop(job.name)
        if ending.code == 0 and is_finished(one.folder):
            self._report(one)  # others are compared with all of it
            self._tell(job.name, self._judge(one))
        elif one.pruned:
            self.trials.tell_pruned(one.trial)
            self._tell(job.name, "stopped early: behind half of the others")
        elif ending.interrupted:
            return None  # the next call goes on with it
        else:
            why = reason(job.log, ending.log_offset, ending.code)
            self.trials.tell_failed(one.trial, why)
            self._tell(job.name, f"failed: {why}")
            self._check(why)
        return self.next()

    def _judge(self, one: _Running) -> str:
        sweep = self.trials.sweep
        found = judged(one.folder, sweep.figure)
        self.trials.tell(one.trial, found)
        told = f", with {len(found.warnings)} warning(s)" if found.warnings else ""
        return f"{sweep.figure} {found.value:.4g}{told}"

    def _tell(self, name: str, said: str) -> None:
        best = self.trials.best()
        told = "" if best is None else f"; best {best.value:.4g} (trial {best.number})"
        print(f"[{len(self.trials.ended)}/{self.count}] {name}: {said}{told}", flush=True)

    def _check(self, why: str) -> None:
        ended = self.trials.ended
        if len(ended) == FAILED_AT_FIRST and all(one.state.name == "FAIL" for one in ended):
            raise UserError(f"the first {FAILED_AT_FIRST} trials have failed, the last because: {why}")

    def tick(self, running: Mapping[str, float]) -> set[str]:
        """Names of jobs to stop."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return set()
        self.looked = now
        for one in self.running.values():
            one.pruned = one.pruned or self._report(one)
        return {name for name, one in self.running.items() if one.pruned}

    def _report(self, one: _Running) -> bool:
        """Note what is new of a trial's losses; whether it is behind."""
        found = {step: loss for step, loss in losses(one.folder).items() if step not in one.reported}
        one.reported |= found
        return self.trials.report(one.trial, found)
