"""Trajectories into a Minari data set on disk, piece by piece."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium.spaces import Box
from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage, is_image_space
from numpy.typing import ArrayLike

from latentrl.data_collection.arrow import PART, is_whole, write_episode
from latentrl.data_collection.checks import Varied, check_trajectory
from latentrl.support.errors import UserError
from latentrl.support.files import write_text
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

    What Minari says of the data set is written anew, never read: it may be half-written, or a stranger's.

    Args:
        folder: the split's.
        action_low: lower bounds ``[Du]`` of the action space.
        action_high: upper bounds ``[Du]``.
        kept: go on after so many trajectories that are there already; others in the folder are removed.
        layout: theirs, if ``kept``.

    Raises:
        UserError: a trajectory to keep is missing or incomplete.
    """

    sequences: int
    varied: Varied

    def __init__(
        self, folder: Path, action_low: ArrayLike, action_high: ArrayLike, kept: int = 0, layout: Layout | None = None
    ) -> None:
        self.sequences, self.layout = kept, layout if kept else None
        self.varied = Varied()
        self._low, self._high = (np.asarray(bound, dtype=np.float32) for bound in (action_low, action_high))
        self._data, self._begun = folder / DATA, False
        if self.layout is None:
            shutil.rmtree(self._data, ignore_errors=True)
        else:
            self._keep(kept)
            self._begin(self.layout)

    def append(self, trajectories: Iterable[Trajectory]) -> None:
        """Write trajectories one by one, so that a generator needs no memory for all of them.

        Raises:
            UserError: one that no model can be trained on, or that differs from the first.
        """
        for trajectory in trajectories:
            check_trajectory(trajectory, f"trajectory {self.sequences}", self._low, self._high)
            self.varied.note(trajectory)
            if self.layout is None:
                self.layout = Layout.of(trajectory)
            self.layout.check(self.sequences, trajectory)
            if not self._begun:
                self._begin(self.layout)
            write_episode(self._data, self.sequences, trajectory)
            self.sequences += 1
        if self._begun:
            self._count()

    def finish(self, name: str) -> None:
        """Give the data set its name and its size; one trajectory or more has been appended."""
        assert self._begun
        size = sum(path.stat().st_size for path in self._data.rglob("*") if path.is_file())
        self._update({"dataset_size": round(size / 1e6, 1), "dataset_id": name, "minari_version": minari.__version__})

    def _keep(self, kept: int) -> None:
        """Make sure of the first trajectories and remove all that is beside them."""
        broken = next((number for number in range(kept) if not is_whole(self._data, number)), None)
        if broken is not None:
            raise UserError(
                f"{self._data / str(broken) / PART} is missing or incomplete, of {kept} sequences that were recorded: "
                "give --overwrite to begin again"
            )
        keep = {str(number) for number in range(kept)}
        for path in self._data.iterdir():
            if path.name in keep:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _begin(self, layout: Layout) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        _new_data_set(self._data, _observation_space(layout), Box(self._low, self._high, dtype=np.float32))
        self._begun = True
        self._count()

    def _count(self) -> None:
        assert self.layout is not None
        steps = self.sequences * self.layout.shapes["actions"][0]
        self._update({"total_episodes": self.sequences, "total_steps": steps, "dataset_size": 0.0})

    def _update(self, changes: dict[str, Any]) -> None:
        known = MinariStorage.read_raw_metadata(self._data)
        write_text(self._data / METADATA_FILE_NAME, json.dumps({**known, **changes}))


def _observation_space(layout: Layout) -> Box:
    shape = tuple(layout.shapes["observations"][1:])
    if layout.dtype == "uint8":
        return Box(0, 255, shape, np.uint8)
    return Box(-np.inf, np.inf, shape, np.float32)


def _new_data_set(data: Path, observation_space: Box, action_space: Box) -> None:
    """What Minari says of an empty Arrow data set that keeps every bit.

    Minari takes a uint8 array of 32 x 32 and more for a picture and stores a JPEG of it, unless told not to. Its last
    version for Python 3.10, 0.5.3, cannot be told: then such pictures are called flat vectors, which is how they are
    stored anyway.
    """
    options: dict[str, Any] = {"data_format": "arrow"}
    if "jpeg_encoding" in signature(MinariStorage.new).parameters:
        options["jpeg_encoding"] = False
    elif is_image_space(observation_space):
        observation_space = Box(0, 255, (int(np.prod(observation_space.shape)),), np.uint8)
    MinariStorage.new(data, observation_space, action_space, **options)
