"""Minari data sets on disk, in Arrow or HDF5, by path or by id; nothing is downloaded and no environment is made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from latentrl.recordings.recording import BLOCK, Key, Source, is_numeric, missing_package
from latentrl.support.errors import UserError, message_of
from latentrl.support.files import parsed_json

DATA, METADATA, MAIN = "data", "metadata.json", "main_data.hdf5"
ROOT = "MINARI_DATASETS_PATH"
DAMAGED = (OSError, ValueError, KeyError, AssertionError, TypeError, RuntimeError)


class MinariReader:
    """See https://minari.farama.org."""

    expects = "a Minari data set, by its folder or by its id"

    def locate(self, source: str) -> Path | None:
        """The folder that Minari keeps the data in: of a path, or of an id beneath Minari's own folder."""
        root = Path(os.environ.get(ROOT) or Path.home() / ".minari" / "datasets")
        for folder in (Path(source), root / source):
            for data in (folder / DATA, folder):
                if (data / MAIN).is_file() or "data_format" in _raw(data):
                    return data
        return None

    def open(self, path: Path) -> Source:
        """See :class:`~latentrl.recordings.readers.base.Reader`."""
        raw = _raw(path)
        if "observation_space" not in raw or "action_space" not in raw:
            # Minari would make the environment to find out.
            raise UserError(
                f"{path}: says nothing of its spaces, as data of an old Minari does: write it with a new one"
            )
        try:
            storage = MinariStorage.read(path)
            count = int(storage.total_episodes)
            steps = [int(one["total_steps"]) for one in storage.get_episode_metadata(range(count))]
        except ImportError as error:
            raise missing_package(path, "h5py") from error
        except DAMAGED as error:
            raise UserError(f"{path}: is damaged ({message_of(error)}); copy the data set again") from error
        if not count:
            raise UserError(f"{path}: holds no episodes; record some")
        opened = Episodes(path, storage)
        recordings = [Episode(str(number), number, steps[number], opened) for number in range(count)]
        space, bounds = storage.action_space, None
        if isinstance(space, Box) and len(space.shape) == 1 and space.is_bounded():
            bounds = ([float(x) for x in space.low], [float(x) for x in space.high])
        return Source(path, recordings, action_bounds=bounds)


class Episodes:
    """A data set, of which the episode that was read last is in memory.

    Args:
        path: of the data.
        storage: Minari's, opened.
    """

    path: Path
    storage: MinariStorage

    def __init__(self, path: Path, storage: MinariStorage) -> None:
        self.path, self.storage = path, storage
        self._read: tuple[int, dict[str, NDArray[Any]]] | None = None

    @cached_property
    def first(self) -> dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]]:
        """Steps, shape and dtype of everything in the first episode."""
        return {key: (len(array), array.shape[1:], array.dtype) for key, array in self.arrays(0).items()}

    def arrays(self, number: int) -> dict[str, NDArray[Any]]:
        """Everything in an episode that is made of numbers, each ``[T, ...]`` or ``[T - 1, ...]``, by name.

        Raises:
            UserError: it is damaged.
        """
        if self._read is None or self._read[0] != number:
            try:
                (episode,) = self.storage.get_episodes([number])
            except UnidentifiedImageError as error:
                raise UserError(
                    f"{self.path}: episode {number} has pictures that are no JPEG files; if they are stored as they "
                    f'are, put "jpeg_encoding": false into {self.path / METADATA}, else copy it again'
                ) from error
            except DAMAGED as error:
                raise UserError(
                    f"{self.path}: episode {number} is damaged ({message_of(error)}); copy it again"
                ) from error
            entries = {key: value for key, value in episode.items() if key != "id"}
            self._read = (number, dict(_flattened(entries)))
        return self._read[1]


@dataclass(frozen=True)
class Episode:
    """One episode of ``steps`` actions."""

    name: str
    number: int
    steps: int
    episodes: Episodes

    @property
    def keys(self) -> Mapping[str, Key]:
        """As in the first episode, which all others are like, but for their lengths."""
        first = self.episodes.first
        actions = first["actions"][0] if "actions" in first else max(one[0] for one in first.values()) - 1
        return {key: Key(self.steps + n - actions, shape, dtype) for key, (n, shape, dtype) in first.items()}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        array = self.episodes.arrays(self.number).get(key)
        if array is None:
            raise UserError(f"{self.episodes.path}: episode {self.number} has no {key!r}, the first one has")
        for at in range(0, len(array), BLOCK):
            yield array[at : at + BLOCK]


def _flattened(entries: Any, prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Everything in nested dictionaries and tuples that is made of numbers, with names like ``observations/camera``."""
    if isinstance(entries, Mapping | tuple):
        pairs = entries.items() if isinstance(entries, Mapping) else enumerate(entries)
        for name, value in pairs:
            yield from _flattened(value, f"{prefix}/{name}" if prefix else str(name))
        return
    array = np.asarray(entries)
    if is_numeric(array.dtype) and array.ndim and len(array):
        yield prefix, array


def _raw(data: Path) -> dict[str, Any]:
    """The metadata in a folder; empty where there is none that can be read."""
    try:
        found = parsed_json((data / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
