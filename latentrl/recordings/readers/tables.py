"""Logs of sensors: a CSV file for each recording, ``run_1.csv``, and no films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latentrl.recordings.columns import read_table, step_of, times_of
from latentrl.recordings.film import FILMS
from latentrl.recordings.recording import BLOCK, Key, Source
from latentrl.support.errors import UserError

CSV = ".csv"


class TableReader:
    """CSV files whose columns are readings and actions."""

    expects = (
        "a folder of CSV files without films, one for each recording, or one such file: a header with the columns' "
        "names, and a row a step"
    )

    def locate(self, source: str) -> Path | None:
        """A CSV file, or a folder with some and no film, whose table it might be."""
        path = Path(source)
        if path.is_file():
            return path if path.suffix.lower() == CSV else None
        films = path.is_dir() and any(entry.suffix.lower() in FILMS for entry in path.iterdir())
        return path if path.is_dir() and not films and _tables(path) else None

    def open(self, path: Path) -> Source:
        """See :class:`~latentrl.recordings.readers.base.Reader`; how many rows there are is known when all are read."""
        last, recordings, times = LastTable(), [], []
        for file in [path] if path.is_file() else _tables(path):
            columns = last.read(file)
            keys = {key: Key(len(values), values.shape[1:], values.dtype) for key, values in columns.items()}
            recordings.append(TableRecording(file.stem, file, keys, last))
            found = times_of(columns)
            if found is not None:
                times.append((f"{file}: {found[0]!r}", found[1]))
        try:
            return Source(path, recordings, step_of(times))
        except UserError as error:
            return Source(path, recordings, no_step=str(error))


class LastTable:
    """Reads tables and keeps the last one, whose columns are asked for one after the other: of many, one is held."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._columns: dict[str, NDArray[Any]] = {}

    def read(self, path: Path) -> dict[str, NDArray[Any]]:
        """The columns of numbers ``[T]``, by name; ``[T, D]`` as one where there is no header.

        Raises:
            UserError: as :func:`latentrl.recordings.columns.read_table`.
        """
        if path != self._path:
            self._columns, self._path = dict(read_table(path)), path
        return self._columns


@dataclass(frozen=True)
class TableRecording:
    """The columns of one table."""

    name: str
    table: Path
    keys: Mapping[str, Key]
    last: LastTable

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        column = self.last.read(self.table)[key]
        for at in range(0, len(column), BLOCK):
            yield column[at : at + BLOCK]


def _tables(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.suffix.lower() == CSV and entry.is_file())
