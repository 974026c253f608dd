"""Steps of a longer job, each done once: what is finished is remembered on disk and skipped the next time.

A quickstart remembers its steps in a file of their own; a training within its checkpoint, so that what is finished and
what it has made of the model are written in one go.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from latentrl.support.errors import UserError
from latentrl.support.files import write_text


@dataclass
class Record:
    """What is remembered: the names of finished steps, and the seconds that were spent in each."""

    finished: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """What :meth:`as_json` made.

        Raises:
            ValueError: something else.
        """
        stored = json.loads(text)
        if not isinstance(stored, dict):
            raise ValueError(f"no record of steps: {text}")
        finished, seconds = stored.get("finished"), stored.get("seconds")
        if not isinstance(finished, list) or not all(isinstance(name, str) for name in finished):
            raise ValueError(f"no record of steps: finished {finished!r}")
        if not isinstance(seconds, dict) or not all(isinstance(value, int | float) for value in seconds.values()):
            raise ValueError(f"no record of steps: seconds {seconds!r}")
        return cls(finished, seconds)


class Memory(Protocol):
    """Where steps are remembered."""

    def load(self) -> Record:
        """What is remembered; an empty record at the beginning."""
        ...

    def save(self, record: Record) -> None:
        """A step is finished: remember that, and all it has done, at once or not at all."""
        ...

    def failed(self, record: Record) -> None:
        """A step has failed or was interrupted after some time, which ``record`` counts."""
        ...


class Steps:
    """Named steps, run in turn.

    Args:
        memory: what is finished in it is not done again.
    """

    memory: Memory

    def __init__(self, memory: Memory) -> None:
        self.memory, self._record = memory, memory.load()

    @property
    def finished(self) -> tuple[str, ...]:
        """Names of the steps that are done."""
        return tuple(self._record.finished)

    @property
    def total_seconds(self) -> float:
        """Time spent in all steps so far, interrupted tries included where the memory keeps them."""
        return sum(self._record.seconds.values())

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Do ``work`` unless the step ``name`` is finished."""
        if name in self._record.finished:
            return
        start = time.perf_counter()
        try:
            work()
        except BaseException:
            self._count(name, start)
            self.memory.failed(self._record)
            raise
        self._count(name, start)
        self._record.finished.append(name)
        self.memory.save(self._record)

    def _count(self, name: str, start: float) -> None:
        seconds = self._record.seconds
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start


class FileMemory:
    """A JSON file that remembers steps.

    Args:
        path: the file; made at once if it is not there.
        identity: what makes two jobs the same, as JSON values; another job's file is refused.
    """

    path: Path
    identity: dict[str, object]

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path, self.identity = path, dict(identity)

    def load(self) -> Record:
        """What the file says.

        Raises:
            UserError: it is damaged or belongs to another job.
        """
        if not self.path.exists():
            self.save(Record())
            return Record()
        try:
            text = self.path.read_text(encoding="utf-8")
            identity, record = json.loads(text)["identity"], Record.from_json(text)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path} is damaged ({error}): give --overwrite to start afresh") from error
        if identity != self.identity:
            raise UserError(
                f"{self.path} belongs to a run with {identity}, this one has {self.identity}: "
                "give --overwrite to start afresh, or another folder with --out"
            )
        return record

    def save(self, record: Record) -> None:
        """Write the file, atomically."""
        write_text(self.path, json.dumps({"identity": self.identity, **asdict(record)}, indent=2) + "\n")

    failed = save
