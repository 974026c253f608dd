"""The runs of a study: which command makes which folder, and how far each has come, read off the files alone."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from latentrl.data_collection.storage import METADATA
from latentrl.runs.folder import METRICS, SETTINGS, is_finished
from latentrl.studies.definition import Row, Study
from latentrl.support.errors import UserError
from latentrl.support.files import check_kinds, read_json, write_json

State = Literal["finished", "failed", "interrupted", "waiting"]
STATES: tuple[State, ...] = get_args(State)
WARNINGS = "warnings"


@dataclass(frozen=True)
class Cell:
    """One row with one seed: the run folder ``folder``, beside it its record and its log.

    Attributes:
        row: what is trained.
        seed: of data and training.
        folder: the run folder.
        data: the data folder.
        arguments: of ``latentrl train``, but for folders: what makes two runs the same.
    """

    row: Row
    seed: int
    folder: Path
    data: Path
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """``row/seed``, for people."""
        return f"{self.row.name}/seed{self.seed}"

    @property
    def gpus(self) -> int:
        """Of how many GPUs the training says that it wants one."""
        return gpus_of(self.arguments[self.arguments.index("--device") + 1]) if "--device" in self.arguments else 0

    @property
    def collected(self) -> bool:
        """Whether the study makes the data itself, within its folder."""
        return self.data.is_relative_to(self.folder.parents[1])

    @property
    def log(self) -> Path:
        """What the training printed, all tries together."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def record_path(self) -> Path:
        """The study's own notes about the run."""
        return self.folder.with_name(f"{self.folder.name}.json")

    @property
    def fresh_arguments(self) -> tuple[str, ...]:
        """Of ``latentrl train``, to begin."""
        return ("--data", str(self.data), "--run", str(self.folder), *self.arguments, "--no-progress")

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two runs the same: the training's options and the data, the latter wherever the study lies."""
        out, data = self.folder.resolve().parents[1], self.data.resolve()
        place = data.relative_to(out) if data.is_relative_to(out) else data
        return {"arguments": list(self.arguments), "data": str(place)}

    def next_arguments(self) -> tuple[str, ...]:
        """Of ``latentrl train``, to begin or to go on."""
        if (self.folder / SETTINGS).is_file():
            return ("--run", str(self.folder), "--resume", "--no-progress")
        return self.fresh_arguments

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end."""
        return is_finished(self.folder)

    def state(self) -> State:
        """How far the run has come."""
        if self.finished:
            return "finished"
        if self.record().get("state") == "failed":
            return "failed"
        return "interrupted" if self.folder.is_dir() else "waiting"

    @property
    def open(self) -> bool:
        """Whether there is something left to do: neither finished nor failed."""
        return self.state() in ("waiting", "interrupted")

    def record(self) -> dict[str, Any]:
        """The study's notes: arguments, command, state, reason, seconds; empty before the first try."""
        if not self.record_path.is_file():
            return {}
        cure = f"remove it and {self.folder} to train this run again"
        found = read_json(self.record_path, cure)
        check_kinds(
            found, {"arguments": list, "data": str, "state": str, "seconds": (int, float)}, self.record_path, cure
        )
        return found

    @property
    def spent(self) -> float:
        """Seconds of all tries so far."""
        return float(self.record().get("seconds", 0.0))

    def save_record(self, state: State | Literal["running"], reason: str | None, seconds: float) -> None:
        """Note how a try ended, atomically; ``seconds`` are those of all tries."""
        write_json(
            self.record_path,
            {
                "command": printed("latentrl.train", self.fresh_arguments),
                **self.identity,
                "state": state,
                "reason": reason,
                "seconds": round(seconds, 1),
            },
        )

    def settle(self) -> None:
        """Note that a run is finished whose study was killed while its training worked on, and how long that took."""
        if self.finished and self.record().get("state") == "running":
            self.save_record("finished", None, max(self.spent, self.metrics().get("train_seconds", 0.0)))

    def check(self) -> None:
        """Refuse to take another run for this one.

        Raises:
            UserError: the folder holds a run with other arguments, or one that no study made.
        """
        record = self.record()
        if not record and self.folder.exists():
            raise UserError(f"{self.folder} was not made by this study: move it away, or give another --out")
        before = {key: record[key] for key in self.identity} if record else self.identity
        if before != self.identity:
            was, now = (f"`{shlex.join(made['arguments'])}` on {made['data']}" for made in (before, self.identity))
            raise UserError(f"{self.folder} was made with {was}, now it would be {now}: give another --out")

    def metrics(self) -> dict[str, float]:
        """The figures of a finished run; what is not finite is NaN."""
        stored = read_json(self.folder / METRICS, f"remove {self.folder} to train this run again")
        return {key: float(math.nan if value is None else value) for key, value in stored.items() if key != WARNINGS}

    def settings(self) -> dict[str, Any]:
        """``settings.json`` of a run that was begun."""
        return read_json(self.folder / SETTINGS, f"remove {self.folder} to train this run again")


def cells_of(
    study: Study, out: Path, data: Path | None, seeds: int, steps: int, recipe: str, device: str
) -> tuple[Cell, ...]:
    """Every cell of a study, seed by seed, so that whole comparisons are finished early."""
    return tuple(
        Cell(
            row,
            seed,
            out / row.name / f"seed{seed}",
            data_folder(out, data, seed),
            _arguments(study, row, seed, row.steps(steps), recipe, device),
        )
        for seed in range(seeds)
        for row in study.all_rows
    )


def _arguments(study: Study, row: Row, seed: int, steps: int, recipe: str, device: str) -> tuple[str, ...]:
    arguments = ["--model", row.model, "--objective", row.objective]
    if row.annealing is not None:
        arguments += ["--annealing-steps", str(max(1, round(row.annealing * steps)))]
    arguments += ["--prior", row.prior, "--recipe", recipe, "--steps", str(steps), *study.train, *row.options]
    return (*arguments, "--seed", str(seed), "--device", device)


def gpus_of(device: str) -> int:
    """How many GPUs a training on ``device`` needs."""
    return int(device.startswith("cuda"))


def data_folder(out: Path, given: Path | None, seed: int) -> Path:
    """Where a seed's data is: within ``out``; or ``given``, a data folder or one of ``seed0``, ``seed1``, ..."""
    if given is None:
        return out / "data" / f"seed{seed}"
    return given if (given / METADATA).is_file() else given / f"seed{seed}"


def command(module: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """What a process is started with, by this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def printed(module: str, arguments: tuple[str, ...]) -> str:
    """The command that `command` starts, as a line for people to copy."""
    return f"OMP_NUM_THREADS=1 python -m {module} {shlex.join(arguments)}"


def reason(log: Path, offset: int, code: int) -> str:
    """Why a process failed, by its ``log`` after ``offset`` bytes: an error line, an exception, or the last line."""
    if code < 0:
        return f"ended by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    lines = log.read_bytes()[offset:].decode(errors="replace").splitlines() if log.is_file() else []
    written = [line.rstrip() for line in lines if line.strip()]
    errors = [line.strip().removeprefix("error: ") for line in written if line.strip().startswith("error: ")]
    return (errors or _raised(written) or [line.strip() for line in written] or [f"exit code {code}"])[-1]


def _raised(lines: list[str]) -> list[str]:
    """The exception of the last traceback, with its message's second line where the first says nothing; else none."""
    began = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not began:
        return []
    after = lines[began[-1] + 1 :]
    # Calls are indented; the exception is not, but later lines of its message may be anything.
    first = next((number for number, line in enumerate(after) if not line[0].isspace()), None)
    if first is None:
        return []
    return [" ".join(line.strip() for line in after[first : first + 1 + after[first].endswith(":")])]
