"""Coordinates: what an environment says of its own ground truth, so that nothing else has to know the environment.

They are stored with the data (``metadata.json``) and read by metrics, measures and figures alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError

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
        """``value - other [...]`` with its sign, in the coordinate's unit; of angles the shorter way, in [-pi, pi)."""
        left = np.asarray(value, np.float64) - other
        return (left + np.pi) % (2 * np.pi) - np.pi if self.kind == "angle" else left

    def distance(self, value: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
        """``|value - other| [...]``, in the coordinate's unit; of angles the shorter way, at most pi."""
        error = np.abs(np.asarray(value, np.float64) - other)
        return np.abs((error + np.pi) % (2 * np.pi) - np.pi) if self.kind == "angle" else error

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


def coordinates_from_json(entries: Any, where: str) -> tuple[Coordinate, ...]:
    """Coordinates as an environment declares them or a data folder stores them, checked.

    Args:
        entries: a list of dictionaries, each with ``name``, ``kind`` and ``key``, and perhaps ``index``, ``unit`` and
            ``limits``: see :class:`Coordinate`.
        where: they stand, for messages.

    Raises:
        UserError: something else; names the entry.
    """
    if not isinstance(entries, list | tuple):
        raise UserError(f"{where}: coordinates {entries!r} are no list; give one dictionary for each coordinate")
    found = tuple(_checked(entry, f"{where}: coordinates[{at}]") for at, entry in enumerate(entries))
    for at, one in enumerate(found):
        if one.name in {other.name for other in found[:at]}:
            raise UserError(f"{where}: coordinates[{at}]: the name {one.name!r} is given twice")
    return found


def _checked(entry: Any, where: str) -> Coordinate:
    if not isinstance(entry, Mapping):
        raise UserError(f"{where} is {entry!r}; give a dictionary with name, kind and key")
    for name in ("name", "kind", "key"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise UserError(f"{where}: {name} is {entry.get(name)!r}; give a word")
    index, limits = entry.get("index"), entry.get("limits")
    if index is not None and (not isinstance(index, int) or index < 0):
        raise UserError(f"{where}: index {index!r}; give 0 or more, or leave it out where {entry['key']!r} is a number")
    try:
        if limits is not None:
            low, high = (float(limit) for limit in limits)
            if not low < high:
                raise ValueError(f"limits {limits!r} leave nothing between them")
        return Coordinate.from_json(entry)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {error}; see latentrl.envs.coordinates.Coordinate") from error
