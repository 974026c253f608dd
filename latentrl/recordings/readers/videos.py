"""Films with a table beside each: ``run_1.mp4`` and ``run_1.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.recordings.columns import read_table
from latentrl.recordings.film import FILMS, film_blocks, film_facts
from latentrl.recordings.recording import BLOCK, Key, Source
from latentrl.support.errors import UserError

VIDEO = "video"
"""The key of the film."""


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


def _films(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.suffix.lower() in FILMS)


def _table_of(film: Path) -> Path:
    table = film.with_suffix(".csv")
    if not table.is_file():
        raise UserError(f"{film}: has no {table.name} beside it with the actions; write one, or take the film away")
    return table
