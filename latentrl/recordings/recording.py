"""What a recording is, whatever its format: names and shapes before anything is read, and then blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError

BLOCK = 64
"""Steps that are read, changed and handed on together: memory does not grow with a recording's length."""


@dataclass(frozen=True)
class Key:
    """One thing that was recorded.

    Attributes:
        steps: how many.
        shape: of one step.
        dtype: NumPy's.
    """

    steps: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.shape)) or "one number"
        return f"{self.dtype}, {shape}"


class Recording(Protocol):
    """One recording: what is in it, and the means to read it piece by piece, as often as wanted."""

    @property
    def name(self) -> str:
        """For people: messages, and ``--goal NAME:FRAME``; no other of its source has it."""
        ...

    @property
    def keys(self) -> Mapping[str, Key]:
        """What was recorded, by name; what is nested has names like ``observations/camera``. Numbers alone."""
        ...

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """All steps of ``key`` in order, in arrays ``[n, ...]``.

        Raises:
            UserError: the file is damaged; names it.
        """
        ...


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes:
        path: of the folder or file.
        recordings: one or more, in an order that is always the same.
        control_step: seconds between observations, where the format says it.
        action_bounds: low ``[Du]`` and high ``[Du]``, where the format says them and they are finite.
        notes: what a user should know of how it was read, one line each.
        no_step: why the times that were recorded tell no `control_step`: an error where the user gives none either.
    """

    path: Path
    recordings: Sequence[Recording]
    control_step: float | None = None
    action_bounds: tuple[list[float], list[float]] | None = None
    notes: tuple[str, ...] = field(default=())
    no_step: str | None = None


def missing_package(path: Path, package: str) -> UserError:
    """The error of a format whose package is not there."""
    return UserError(f"{path}: reading it takes {package}: pip install 'latentrl[import]'")


def is_numeric(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of ``dtype`` hold numbers or truth values."""
    return dtype.kind in "fiub"
