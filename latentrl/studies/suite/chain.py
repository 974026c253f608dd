"""One seed of one system on disk: which steps are done, which failed and why; read off its files alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from latentrl.runs.folder import SETTINGS
from latentrl.studies.suite.commands import Place, Step, folder_of, steps_of
from latentrl.studies.systems.base import System
from latentrl.support.errors import UserError
from latentrl.support.files import check_kinds, read_json, write_json

State = Literal["finished", "failed", "blocked", "interrupted", "waiting"]
RECORD = "steps.json"
FIGURES = "evaluation_*.json"
"""What `latentrl evaluate` writes into the run folder."""


@dataclass(frozen=True)
class Chain:
    """The steps of one system with one seed, and how far they have come.

    Attributes:
        system: what is done.
        seed: of everything.
        folder: where all of it lies.
        steps: in turn.
        quick: whether they are made as small as they can be.
    """

    system: System
    seed: int
    folder: Path
    steps: tuple[Step, ...]
    quick: bool = False

    @classmethod
    def of(cls, system: System, seed: int, out: Path, quick: bool = False) -> Chain:
        """The chain in the suite's folder ``out``."""
        return cls(system, seed, folder_of(out, system, seed), steps_of(system, seed, quick), quick)

    @property
    def name(self) -> str:
        """``SYSTEM/seedK``, for people."""
        return f"{self.system.name}/seed{self.seed}"

    @property
    def place(self) -> Place:
        """The folder's parts."""
        return Place(self.folder)

    def step(self, name: str) -> Step:
        """The step of that name."""
        return next(one for one in self.steps if one.name == name)

    def log(self, step: Step) -> Path:
        """What a step printed, all tries together."""
        return self.folder / "logs" / f"{step.name.replace(' ', '_')}.log"

    def command(self, step: Step) -> tuple[str, ...]:
        """What stands behind ``python`` to begin with a step, or to go on with it."""
        return self.place.words(step, self.system.declaration)

    def records(self) -> dict[str, Any]:
        """What is noted of the steps, by name: ``words``, ``state``, ``reason``, ``seconds`` of all tries."""
        path = self.folder / RECORD
        if not path.is_file():
            return {}
        cure = f"remove {self.folder} to begin anew"
        found = read_json(path, cure)
        for record in found.values():
            check_kinds(record, {"words": list, "state": str, "seconds": (int, float)}, path, cure)
        return found

    def note(self, step: Step, state: State | Literal["running"], reason: str | None, seconds: float) -> None:
        """Note how a try went, atomically."""
        made = {"words": list(step.words), "state": state, "reason": reason, "seconds": round(seconds, 1)}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / RECORD, {**self.records(), step.name: made})

    def seconds(self) -> dict[str, float]:
        """Spent on each step so far, by name."""
        records = self.records()
        return {step.name: float(records.get(step.name, {}).get("seconds", 0.0)) for step in self.steps}

    def states(self) -> dict[str, State]:
        """How far each step has come; one is blocked where what it needs has failed."""
        records, found = self.records(), dict[str, State]()
        for step in self.steps:
            before = [found[name] for name in step.after]
            if any(state in ("failed", "blocked") for state in before):
                found[step.name] = "blocked"
            else:
                ready = all(state == "finished" for state in before)
                found[step.name] = self._state(step, records.get(step.name), ready)
        return found

    def _state(self, step: Step, record: Mapping[str, Any] | None, ready: bool) -> State:
        if record is None or record["words"] != list(step.words):
            return "waiting"
        if record["state"] == "failed":
            return "failed"
        # A process that was killed right after its end has made what is there.
        if ready and self.place.has(step):
            return "finished"
        return "waiting" if record["state"] == "waiting" else "interrupted"

    def next_step(self) -> Step | None:
        """The first step that can be done now; None where all are done, failed or blocked."""
        states = self.states()
        for step in self.steps:
            todo = states[step.name] in ("waiting", "interrupted")
            if todo and all(states[name] == "finished" for name in step.after):
                return step
        return None

    def open_steps(self) -> tuple[Step, ...]:
        """Those that a call of the suite would do, if none fails."""
        states = self.states()
        return tuple(step for step in self.steps if states[step.name] in ("waiting", "interrupted"))

    def check(self) -> None:
        """Refuse to take data or a model that was made otherwise for this one's.

        Raises:
            UserError: it names the folder.
        """
        records = self.records()
        for step in self.steps:
            if step.repeatable:
                continue
            record = records.get(step.name)
            if record is None and self.place.has(step):
                made = self.place.product(step)
                raise UserError(f"{made} was not made by this command: move it away, or give another --out")
            if record is not None and record["words"] != list(step.words):
                was, now = (" ".join(words) for words in (record["words"], step.words))
                raise UserError(
                    f"{self.folder}: its {step.name} was made with `{was}`, now it would be `{now}`: move the folder "
                    "away, or give another --out"
                )

    def forget_failures(self) -> None:
        """Let failed steps be done once more; what a failed training has left goes."""
        records = self.records()
        for step in self.steps:
            if records.get(step.name, {}).get("state") == "failed":
                if step.verb == "train":
                    shutil.rmtree(self.place.run, ignore_errors=True)
                self.note(step, "waiting", None, 0.0)

    def prepare(self, step: Step) -> None:
        """Make room for a step: halves that nobody can go on with go, and so do figures of what is made anew."""
        place = self.place
        if step.verb == "record":
            shutil.rmtree(place.log.parent, ignore_errors=True)
        if step.verb == "train" and place.run.is_dir() and not (place.run / SETTINGS).is_file():
            shutil.rmtree(place.run)
        if step.repeatable:
            place.product(step).unlink(missing_ok=True)
        for left in place.run.glob(FIGURES) if step.verb == "evaluate" else ():
            left.unlink()
        for later in self.steps:
            if later.repeatable and step.name in later.after:
                place.product(later).unlink(missing_ok=True)

    def settle(self, step: Step) -> None:
        """Put what an evaluation has written where no other one writes.

        Raises:
            UserError: it has not written anything.
        """
        if step.verb != "evaluate":
            return
        written = sorted(self.place.run.glob(FIGURES))
        if len(written) != 1:
            raise UserError(f"{self.place.run} holds {len(written)} files {FIGURES}, where one was to be written")
        target = self.place.product(step)
        target.parent.mkdir(parents=True, exist_ok=True)
        film = written[0].with_suffix(".gif")
        if film.is_file():
            film.replace(target.with_suffix(".gif"))
        written[0].replace(target)


def lacking(system: System) -> str | None:
    """Why a system cannot be run here, with the cure; None where it can."""
    missing = [name for name in system.needs if not _is_there(name)]
    return f"{', '.join(missing)} is missing: {system.install}" if missing else None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
