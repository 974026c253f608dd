"""A reader of recordings: lines of text, a number seen and a number done in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.recordings.recording import BLOCK, Key, Source

SUFFIX = ".toy"


@dataclass(frozen=True)
class ToyRecording:
    """One file."""

    name: str
    numbers: NDArray[np.float32]

    @property
    def keys(self) -> Mapping[str, Key]:
        return {key: Key(len(self.numbers), (1,), self.numbers.dtype) for key in ("seen", "done")}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        column = self.numbers[:, :1] if key == "seen" else self.numbers[:, 1:]
        for at in range(0, len(column), BLOCK):
            yield column[at : at + BLOCK]


class ToyReader:
    """Files that end in ``.toy``."""

    expects = "a folder of .toy files, two numbers in a line"

    def locate(self, source: str) -> Path | None:
        path = Path(source)
        return path if path.is_dir() and list(path.glob(f"*{SUFFIX}")) else None

    def open(self, path: Path) -> Source:
        files = sorted(path.glob(f"*{SUFFIX}"))
        return Source(path, [ToyRecording(one.stem, np.loadtxt(one, np.float32, ndmin=2)) for one in files], 0.1)
