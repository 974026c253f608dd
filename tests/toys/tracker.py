"""A tracker that writes a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from latentrl.tracking.base import Beginning, Ending


class ToyTracker:
    """One line of JSON for all that it is told, in ``toy.jsonl`` of the run folder."""

    def __init__(self, beginning: Beginning) -> None:
        self._file, self._run = beginning.folder / "toy.jsonl", beginning.run or beginning.name
        self._write(dict(beginning.settings))

    @property
    def run(self) -> str | None:
        return self._run

    @property
    def where(self) -> str:
        return f"cat {self._file}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._write({"step": step, **figures})

    def log_file(self, path: Path) -> None:
        self._write({"file": path.name})

    def finish(self, ending: Ending) -> None:
        self._write({"ending": ending})

    def _write(self, said: Mapping[str, object]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(said)}\n")
