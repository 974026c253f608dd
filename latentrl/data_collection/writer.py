"""Trajectories into a Minari data set on disk, piece by piece."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium.spaces import Box
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage, is_image_space
from numpy.typing import ArrayLike

from latentrl.data_collection.checks import Varied, check_trajectory
from latentrl.support.errors import UserError
from latentrl.types import Trajectory

DATA = "data"
"""The folder that Minari looks for in a data set's."""


@dataclass(frozen=True)
class Layout:
    """What all trajectories of a split have in common; made of JSON's types.

    Attributes:
        shapes: of observations ``[T, ...]``, actions ``[T - 1, Du]`` and every ground truth ``[T, ...]``, by name.
        dtype: of the observations.
    """

    shapes: dict[str, list[int]]
    dtype: str

    @classmethod
    def of(cls, trajectory: Trajectory) -> Layout:
        """The layout of a trajectory and of all that go with it."""
        arrays = {"observations": trajectory.observations, "actions": trajectory.actions, **trajectory.infos}
        return cls({key: list(array.shape) for key, array in arrays.items()}, str(trajectory.observations.dtype))

    def check(self, number: int, trajectory: Trajectory) -> None:
        """Refuse a trajectory that differs."""
        layout = Layout.of(trajectory)
        if layout.shapes != self.shapes:
            raise UserError(
                f"trajectory {number} has the shapes {layout.shapes}, the first {self.shapes}: all of a split need the "
                "same; cut them to one length, and give all the same keys"
            )
        if layout.dtype != self.dtype:
            raise UserError(f"trajectory {number} has observations of {layout.dtype}, the first of {self.dtype}")


class SplitWriter:
    """Appends to one split of a data folder; what is appended stays, whatever happens to this process.

    Args:
        folder: the split's.
        action_low: lower bounds ``[Du]`` of the action space.
        action_high: upper bounds ``[Du]``.
        kept: go on after so many trajectories that are there already; others in the folder are written over.
        layout: theirs, if ``kept``.
    """

    def __init__(
        self, folder: Path, action_low: ArrayLike, action_high: ArrayLike, kept: int = 0, layout: Layout | None = None
    ) -> None:
        self.sequences, self.layout = kept, layout if kept else None
        self.varied = Varied()
        self._low, self._high = (np.asarray(bound, dtype=np.float32) for bound in (action_low, action_high))
        self._action_space = Box(self._low, self._high, dtype=np.float32)
        # Absolute, because Minari cannot measure a data set at a relative path.
        self._data = folder.resolve() / DATA
        self._storage: MinariStorage | None = None
        if self.layout is None:
            shutil.rmtree(self._data, ignore_errors=True)
        else:
            self._storage = _unmeasured(MinariStorage.read(self._data))
            steps = kept * self.layout.shapes["actions"][0]
            self._storage.update_metadata({"total_episodes": kept, "total_steps": steps})

    def append(self, trajectories: Iterable[Trajectory]) -> None:
        """Write trajectories one by one, so that a generator needs no memory for all of them.

        Raises:
            UserError: one that no model can be trained on, or that differs from the first.
        """
        trajectories = self._checked(trajectories)
        first = next(trajectories, None)
        if first is None:
            return
        if self.layout is None:
            self.layout = Layout.of(first)
        if self._storage is None:
            self._data.mkdir(parents=True)
            self._storage = _unmeasured(_new_storage(self._data, _observation_space(first), self._action_space))
        shape = self._storage.observation_space.shape
        self._storage.update_episodes(_buffers(chain([first], trajectories), self.layout, self.sequences, shape))
        self.sequences = int(self._storage.total_episodes)

    def _checked(self, trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
        for number, trajectory in enumerate(trajectories, self.sequences):
            check_trajectory(trajectory, f"trajectory {number}", self._low, self._high)
            self.varied.note(trajectory)
            yield trajectory

    def finish(self, name: str) -> None:
        """Give the data set its name and its size; one trajectory or more has been appended."""
        assert self._storage is not None
        named = {"dataset_id": name, "minari_version": minari.__version__}
        # Minari lets nobody set these twice, and a process may have died just after the first time.
        known = MinariStorage.read_raw_metadata(self._data)
        new = {key: value for key, value in named.items() if key not in known}
        self._storage.update_metadata({**new, "dataset_size": float(MinariStorage.get_size(self._storage))})


def _unmeasured(storage: MinariStorage) -> MinariStorage:
    """Minari measures the whole folder after every episode, which makes writing quadratic; once at the end will do."""
    storage.get_size = lambda: 0.0
    return storage


def _observation_space(trajectory: Trajectory) -> Box:
    shape = trajectory.observations.shape[1:]
    if trajectory.observations.dtype == np.uint8:
        return Box(0, 255, shape, np.uint8)
    return Box(-np.inf, np.inf, shape, np.float32)


def _new_storage(data: Path, observation_space: Box, action_space: Box) -> MinariStorage:
    """An empty Arrow storage that keeps every bit.

    Minari takes a uint8 array of 32 x 32 and more for a picture and stores a JPEG of it, unless told not to. Its last
    version for Python 3.10, 0.5.3, cannot be told: then such pictures are stored as flat vectors.
    """
    options: dict[str, Any] = {"data_format": "arrow"}
    if "jpeg_encoding" in signature(MinariStorage.new).parameters:
        options["jpeg_encoding"] = False
    elif is_image_space(observation_space):
        observation_space = Box(0, 255, (int(np.prod(observation_space.shape)),), np.uint8)
    return MinariStorage.new(data, observation_space, action_space, **options)


def _buffers(
    trajectories: Iterable[Trajectory], layout: Layout, first: int, stored_shape: tuple[int, ...]
) -> Iterator[EpisodeBuffer]:
    for number, trajectory in enumerate(trajectories, start=first):
        layout.check(number, trajectory)
        steps = len(trajectory.actions)
        yield EpisodeBuffer(
            seed=trajectory.seed,
            observations=trajectory.observations.reshape(-1, *stored_shape),
            actions=trajectory.actions,
            rewards=[0.0] * steps,
            terminations=[False] * steps,
            truncations=[False] * (steps - 1) + [True],
            # Minari writes a vector over time from a list only: it cannot read one back that was an array.
            infos={key: list(value) if value.ndim == 1 else value for key, value in trajectory.infos.items()},
        )
