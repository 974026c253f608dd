"""Coordinates: what an environment says of its own ground truth, so that nothing else has to know the environment.

They are stored with the data (``metadata.json``) and read by metrics, measures and figures alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["angle", "line", "velocity"]
KINDS: tuple[Kind, ...] = ("angle", "line", "velocity")


@dataclass(frozen=True)
class Coordinate:
    """One number of the true state.

    Attributes:
        name: in figures, files and tables: ``shoulder``, ``shoulder_velocity``.
        kind: ``angle`` is the same after a whole turn; ``line`` is not; ``velocity`` changes one of them.
        key: the entry of ``info`` that holds it.
        index: which number of that entry; None: the entry is a single number.
        unit: ``rad``, ``m``, ``rad/s``, ...
        limits: between which it stays, where something keeps it there; beyond them is a collision.
    """

    name: str
    kind: Kind
    key: str
    index: int | None = None
    unit: str = "rad"
    limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"coordinate {self.name}: kind {self.kind!r} is none of {', '.join(KINDS)}")

    def values(self, truth: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The coordinate ``[...]`` of ``truth[key] [..., D]``, or ``[...]`` where the entry is a single number.

        Raises:
            KeyError: ``truth`` has no such entry.
        """
        entry = np.asarray(truth[self.key])
        return entry if self.index is None else entry[..., self.index]

    def difference(self, value: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
        """``value - other`` with its sign; of angles the shorter way, in [-pi, pi)."""
        left = np.asarray(value, np.float64) - other
        return (left + np.pi) % (2 * np.pi) - np.pi if self.kind == "angle" else left

    def as_json(self) -> dict[str, Any]:
        """For ``metadata.json``."""
        return {**asdict(self), "limits": None if self.limits is None else list(self.limits)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Coordinate:
        """What :meth:`as_json` wrote.

        Raises:
            TypeError: missing or unknown entries.
            ValueError: no such kind.
        """
        limits = stored.get("limits")
        return cls(**{**stored, "limits": None if limits is None else tuple(limits)})


def positions(coordinates: Sequence[Coordinate]) -> tuple[Coordinate, ...]:
    """The angles and lines among ``coordinates``: what a pose is."""
    return tuple(one for one in coordinates if one.kind != "velocity")


def velocities(coordinates: Sequence[Coordinate]) -> tuple[Coordinate, ...]:
    """The velocities among ``coordinates``."""
    return tuple(one for one in coordinates if one.kind == "velocity")
