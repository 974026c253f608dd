"""Steps of a longer job, each done once: what is finished is remembered on disk and skipped the next time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from latentrl.support.errors import UserError
from latentrl.support.files import write_text


class Stages:
    """Named steps, run in turn.

    Args:
        path: the JSON file that remembers which steps are finished and how long each took.
        identity: what makes two jobs the same, as JSON values; another job's file is refused.

    Raises:
        UserError: ``path`` is damaged or belongs to another job.
    """

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path, self.identity = path, dict(identity)
        self.finished: list[str] = []
        self.seconds: dict[str, float] = {}
        if path.exists():
            self._load()

    @property
    def total_seconds(self) -> float:
        """Time spent in all steps so far, interrupted tries included."""
        return sum(self.seconds.values())

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Do ``work`` unless the step ``name`` is finished; its time counts even when it fails or is interrupted."""
        if name in self.finished:
            return
        start = time.perf_counter()
        try:
            work()
            self.finished.append(name)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.save()

    def _load(self) -> None:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            identity, self.finished, self.seconds = stored["identity"], stored["finished"], stored["seconds"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(f"{self.path} is damaged ({error}): give --overwrite to start afresh") from error
        if identity != self.identity:
            raise UserError(
                f"{self.path} belongs to a run with {identity}, this one has {self.identity}: "
                "give --overwrite to start afresh, or another folder with --out"
            )

    def save(self) -> None:
        """Remember, atomically, what is finished."""
        content = {"identity": self.identity, "finished": self.finished, "seconds": self.seconds}
        write_text(self.path, json.dumps(content, indent=2) + "\n")
