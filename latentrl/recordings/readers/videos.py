"""Films with a table beside each: ``run_1.mp4`` and ``run_1.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.recordings.film import FILMS, film_blocks, film_facts
from latentrl.recordings.recording import BLOCK, Key, Source
from latentrl.support.errors import UserError

VIDEO, COLUMNS = "video", "actions"
"""The keys of the film, and of all columns of a table without a header."""
DELIMITERS = (";", "\t", ",")


class VideoReader:
    """Films and CSV files of the same stem."""

    expects = (
        "a folder of films (mp4, avi, gif, ...), each with a CSV file of the same stem: a row a frame, header or not"
    )

    def locate(self, source: str) -> Path | None:
        """A folder with films in it, one or more of which have a table."""
        path = Path(source)
        found = path.is_dir() and any(film.with_suffix(".csv").is_file() for film in _films(path))
        return path if found else None

    def open(self, path: Path) -> Source:
        """See :class:`~latentrl.recordings.readers.base.Reader`."""
        films = _films(path)
        recordings = [FilmRecording(film.stem, film, _table_of(film)) for film in films]
        for film, after in zip(films, films[1:], strict=False):
            if film.stem == after.stem:
                raise UserError(f"{film} and {after.name}: two films of one name; take one away")
        rate = film_facts(films[0]).rate
        stems = {film.stem for film in films}
        alone = [table.name for table in sorted(path.glob("*.csv")) if table.stem not in stems]
        notes = (f"no film beside {', '.join(alone)}: not read",) if alone else ()
        return Source(path, recordings, None if rate is None else 1 / rate, notes=notes)


@dataclass(frozen=True)
class FilmRecording:
    """A film and its table."""

    name: str
    film: Path
    table: Path

    @cached_property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The table's columns of numbers ``[T]``, by name; ``[T, D]`` as one where it has no header."""
        return read_table(self.table)

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """The film and the columns."""
        facts = film_facts(self.film)
        tables = {key: Key(len(v), v.shape[1:], v.dtype) for key, v in self.columns.items()}
        return {VIDEO: Key(facts.frames, facts.shape, np.dtype(np.uint8)), **tables}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        if key == VIDEO:
            yield from film_blocks(self.film)
            return
        column = self.columns[key]
        for at in range(0, len(column), BLOCK):
            yield column[at : at + BLOCK]


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV file that hold numbers, each ``[T]``, by name; without a header ``[T, D]`` together.

    Separated by commas, semicolons or tabs, whichever the first line has; an empty cell is not a number (NaN).

    Raises:
        UserError: no rows, or one of another length; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error}); write a CSV file") from error
    delimiter = next((mark for mark in DELIMITERS if lines and mark in lines[0]), ",")
    try:
        rows = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise UserError(f"{path}: is no CSV file ({error}); write one with a row for each action") from error
    numbered = [(at, row) for at, row in enumerate(rows, 1) if any(map(str.strip, row))]
    header = None
    if numbered and any(_number(cell) is None for cell in numbered[0][1]):
        header = [cell.strip() for cell in numbered.pop(0)[1]]
    if not numbered:
        raise UserError(f"{path}: has no rows; give one for each action")
    width = len(header or numbered[0][1])
    for at, row in numbered:
        if len(row) != width:
            raise UserError(f"{path}, line {at}: has {len(row)} cells, the first line {width}; write all of them")
    cells = [[_number(cell) for cell in row] for _, row in numbered]
    if header is None:
        for (at, row), found in zip(numbered, cells, strict=True):
            if None in found:
                raise UserError(
                    f"{path}, line {at}: {row[found.index(None)]!r} is no number; a table without a header is"
                )
        return {COLUMNS: np.array(cells, np.float64)}
    if len(set(header)) < width or "" in header:
        raise UserError(f"{path}: its header is {header}; give every column a name of its own")
    columns = dict(zip(header, zip(*cells, strict=True), strict=True))
    return {name: np.array(column, np.float64) for name, column in columns.items() if None not in column}


def _number(cell: str) -> float | None:
    """The cell's number, NaN where it is empty, None where it holds something else."""
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def _films(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.suffix.lower() in FILMS)


def _table_of(film: Path) -> Path:
    table = film.with_suffix(".csv")
    if not table.is_file():
        raise UserError(f"{film}: has no {table.name} beside it with the actions; write one, or take the film away")
    return table
