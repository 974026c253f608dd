"""What a run folder keeps of a tracked run: where it is, so that it can be gone on with, and what failed. No token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from latentrl.support.files import check_kinds, read_json, write_json

TRACKING = "tracking"
"""Files of this name keep it: ``tracking.json`` of the training, ``tracking_NAME.json`` of what else was tracked."""
CURE = "remove it; a tracked run of its own is begun then"
KINDS: Mapping[str, Any] = {
    "tracker": str,
    "project": str,
    "run": (str, type(None)),
    "where": (str, type(None)),
    "step": int,
    "failure": (str, type(None)),
}


@dataclass(frozen=True)
class Kept:
    """A tracked run.

    Attributes:
        tracker, project: where it is.
        run: what the tracker calls it.
        where: how people find it.
        step: the last that was logged: after a kill the training goes on before it, to the same figures.
        failure: why nothing, or not all, was logged.
    """

    tracker: str
    project: str
    run: str | None = None
    where: str | None = None
    step: int = -1
    failure: str | None = None

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Kept | None:
        """What :meth:`write` wrote; None where nothing was.

        Raises:
            UserError: the file is damaged.
        """
        if not path.is_file():
            return None
        found = read_json(path, CURE)
        check_kinds(found, KINDS, path, CURE)
        return cls(**{field.name: found[field.name] for field in fields(cls)})


def path_of(folder: Path, part: str = "") -> Path:
    """Where a tracked run is kept in a run ``folder``; ``part`` as in :class:`latentrl.tracking.base.Beginning`."""
    return folder / (f"{TRACKING}_{part}.json" if part else f"{TRACKING}.json")
