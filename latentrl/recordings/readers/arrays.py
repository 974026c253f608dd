"""Folders of NumPy files: a recording in each .npz, in each folder of .npy files, or many stacked in one of either."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from latentrl.recordings.keys import is_action, is_bookkeeping
from latentrl.recordings.recording import BLOCK, Key, Recording, Source, is_numeric
from latentrl.recordings.stored_arrays import NPY, NPZ, StoredArray, stored_arrays
from latentrl.support.errors import UserError


class ArrayReader:
    """.npz and .npy."""

    expects = (
        "a folder of .npz files, one for each recording; a folder of folders of .npy files, one array each; or one of "
        "either, with arrays that are stacked [N, T, ...]"
    )

    def locate(self, source: str) -> Path | None:
        """A .npz file, or a folder with .npz or .npy files in it or in its folders."""
        path = Path(source)
        if path.is_file():
            return path if path.suffix == NPZ else None
        return path if path.is_dir() and (_groups(path)) else None

    def open(self, path: Path) -> Source:
        """See :class:`~latentrl.recordings.readers.base.Reader`."""
        groups = {path.stem: [path]} if path.is_file() else _groups(path)
        recordings: list[Recording] = []
        notes: list[str] = []
        for name, files in groups.items():
            arrays = {key: array for file in files for key, array in stored_arrays(file).items()}
            _refuse_objects(arrays)
            numbers = {key: array for key, array in arrays.items() if is_numeric(array.dtype) and array.shape}
            count = stacked(numbers)
            if count is None:
                recordings.append(ArrayRecording(name, numbers))
                continue
            notes.append(f"{name}: {count} recordings, stacked [N, T, ...]")
            alike = {key: array for key, array in numbers.items() if array.shape[0] == count and len(array.shape) > 1}
            recordings += [StackedRecording(f"{name}/{number}", alike, number) for number in range(count)]
        return Source(path, recordings, notes=tuple(notes) if len(notes) < 3 else (f"{notes[0]}; others alike",))


@dataclass(frozen=True)
class ArrayRecording:
    """Arrays ``[T, ...]`` or ``[T - 1, ...]`` that make up one recording."""

    name: str
    arrays: Mapping[str, StoredArray]

    @property
    def keys(self) -> Mapping[str, Key]:
        """The arrays' shapes."""
        return {key: Key(array.shape[0], array.shape[1:], array.dtype) for key, array in self.arrays.items()}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        yield from self.arrays[key].blocks(BLOCK)


@dataclass(frozen=True)
class StackedRecording:
    """One of the recordings in arrays ``[N, T, ...]``."""

    name: str
    arrays: Mapping[str, StoredArray]
    number: int

    @property
    def keys(self) -> Mapping[str, Key]:
        """The arrays' shapes without N."""
        return {key: Key(array.shape[1], array.shape[2:], array.dtype) for key, array in self.arrays.items()}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        for whole in self.arrays[key].blocks(1, self.number, self.number + 1):
            for at in range(0, whole.shape[1], BLOCK):
                yield whole[0, at : at + BLOCK]


def stacked(arrays: Mapping[str, StoredArray]) -> int | None:
    """How many recordings are stacked in these arrays; None: they are one recording.

    They are stacked where actions have three axes, videos five, or, where no name says what the actions are, everything
    has three or more and the first and second are of one length, or of one less in the second.
    """
    others = {key: array for key, array in arrays.items() if not is_bookkeeping(key, array.shape[2:])}
    if not others:
        return None
    actions = [array for key, array in others.items() if is_action(key)]
    tall = max(others.values(), key=lambda array: len(array.shape))
    if actions:
        several = len(actions[0].shape) == 3 or len(tall.shape) == 5
    else:
        lengths = {array.shape[1] for array in others.values() if len(array.shape) > 1} or {0}
        alike = len({array.shape[0] for array in others.values()}) == 1 and max(lengths) - min(lengths) <= 1
        deep = len(others) > 1 and all(len(array.shape) >= 3 for array in others.values())
        several = len(tall.shape) == 5 or (alike and deep)
    return tall.shape[0] if several else None


def _groups(path: Path) -> dict[str, list[Path]]:
    """The files of each recording, or stack, by name: a .npz is one, and so is every folder with .npy files."""
    groups: dict[str, list[Path]] = {}
    for folder in [path, *sorted(entry for entry in path.iterdir() if entry.is_dir())]:
        prefix = "" if folder == path else f"{folder.name}/"
        files = sorted(folder.iterdir())
        groups |= {f"{prefix}{file.stem}": [file] for file in files if file.suffix == NPZ}
        together = [file for file in files if file.suffix == NPY]
        if together:
            groups[folder.name] = together
    return groups


def _refuse_objects(arrays: Mapping[str, StoredArray]) -> None:
    for key, array in arrays.items():
        if array.dtype.hasobject:
            raise UserError(
                f"{array.path}: {key!r} holds pickled Python objects, which are not opened here; store plain arrays, "
                "recordings of different lengths in one file each"
            )
