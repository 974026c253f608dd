"""The shipped runs, each a folder in ``runs/`` beside this file: a run's own files and an ``entry.json`` about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentrl.support.errors import UserError
from latentrl.support.files import check_kinds, read_json

HOME = Path(__file__).parent / "runs"
ENTRY = "entry.json"
PREFIX = "zoo:"
"""What a run's name begins with, where it is one of these and not a folder."""
LARGEST = 10**6
"""Bytes of all files of an entry."""
KINDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "commands": list,
    "seed": int,
    "commit": str,
    "needs": dict,
    "evaluation": dict,
    "files": dict,
}
REINSTALL = "install the package again"


@dataclass(frozen=True)
class Entry:
    """What is known of a shipped run.

    Attributes:
        name: after ``zoo:``.
        folder: where it lies; nothing is written there.
        title: what was learned, in a few words.
        commands: how it was made, in turn; the exact words.
        seed: of all of them.
        commit: of the repository that made it.
        needs: extras of the package without which it can be looked at, but not evaluated, and a module of each.
        evaluation: the command, and what came of it: see :func:`outcome`.
        files: SHA-256 of every file but ``entry.json``, by name.
    """

    name: str
    folder: Path
    title: str
    commands: tuple[str, ...]
    seed: int
    commit: str
    needs: Mapping[str, str]
    evaluation: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum((self.folder / name).stat().st_size for name in (*self.files, ENTRY))


def names(home: Path = HOME) -> list[str]:
    """The shipped runs, sorted."""
    return sorted(path.parent.name for path in home.glob(f"*/{ENTRY}"))


def entry_of(name: str, home: Path = HOME) -> Entry:
    """One of the shipped runs.

    Raises:
        UserError: there is none of that name, or what lies there is damaged.
    """
    if name not in names(home):
        raise UserError(f"{PREFIX}{name}: there is no such run; choose one of {', '.join(names(home)) or 'none'}")
    path = home / name / ENTRY
    found = read_json(path, REINSTALL)
    check_kinds(found, KINDS, path, REINSTALL)
    return Entry(
        name,
        home / name,
        found["title"],
        tuple(found["commands"]),
        found["seed"],
        found["commit"],
        found["needs"],
        found["evaluation"],
        found["files"],
    )


def outcome(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry keeps of an evaluation's figures: what counts, over how many episodes, and its 95% interval.

    Args:
        summary: the contents of ``evaluation_<trial>.json``.

    Raises:
        ValueError: it counts neither successes nor a mean return.
    """
    shared = {name: summary[name] for name in ("agent", "task", "description", "episodes")}
    if summary["successes"] is not None:
        low, high = summary["wilson_95"]
        return {**shared, "figure": "successes", "value": summary["successes"], "low": low, "high": high}
    overall = summary.get("overall", {})
    if "return_mean" not in overall:
        raise ValueError(f"{summary['task']}: neither successes nor returns were counted")
    low, high = overall["return_low"], overall["return_high"]
    return {**shared, "figure": "return", "value": overall["return_mean"], "low": low, "high": high}


def within(stored: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a second :func:`outcome` lies in the interval of the one that is stored."""
    value = found["value"] / found["episodes"] if found["figure"] == "successes" else found["value"]
    return bool(stored["figure"] == found["figure"] and stored["low"] <= value <= stored["high"])


def told(stored: Mapping[str, Any]) -> str:
    """An :func:`outcome` for people."""
    interval = f"{stored['low']:.3g} to {stored['high']:.3g}"
    if stored["figure"] == "successes":
        return f"{stored['agent']}, {stored['task']}: {stored['value']} of {stored['episodes']} ({interval})"
    return (
        f"{stored['agent']}, {stored['task']}: return {stored['value']:.3g} ({interval}), {stored['episodes']} episodes"
    )


def checked(folder: Path, name: str, expected: str) -> bytes:
    """The contents of a shipped file.

    Raises:
        UserError: it is missing, or not what was shipped.
    """
    path = folder / name
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != expected:
        raise UserError(f"{path} is damaged (it is not what was shipped): {REINSTALL}")
    return content
