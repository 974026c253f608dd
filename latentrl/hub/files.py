"""Which files of a run travel: a list, so that nothing is sent or fetched that nobody has thought of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from latentrl.runs.evaluated import EVALUATED
from latentrl.runs.folder import METRICS, MODEL, SETTINGS, goal_of, load_settings
from latentrl.shipped.entries import ENTRY
from latentrl.support.errors import UserError
from latentrl.support.files import read_json, refuse_link

CARD, NOTE = "README.md", "hub.json"
"""What the hub shows of a run; where a fetched run came from."""
FIGURES = "evaluation_*.json"
NAMES = (
    *(SETTINGS, MODEL, METRICS, "velocity.json", "policy*.json", "policy*.safetensors"),
    *("goal.png", "goal.json", FIGURES, ENTRY, CARD),
)
OF_THE_HUB = (".gitattributes",)
"""Made by the hub in every repository; not fetched."""
LARGEST = {".safetensors": 2**31, ".json": 2**25, ".png": 2**25, ".md": 2**20}
"""Bytes of a file, by the end of its name."""
ABSOLUTE = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\)")


def travels(name: str) -> bool:
    """Whether a file of that name is sent and fetched; never one in a folder within."""
    return "/" not in name and "\\" not in name and any(fnmatchcase(name, pattern) for pattern in NAMES)


def check_size(name: str, size: int, where: str) -> None:
    """Refuse files far larger than any of their kind.

    Raises:
        UserError: names it.
    """
    most = LARGEST[Path(name).suffix]
    if not 0 <= size <= most:
        raise UserError(
            f"{where}: {name} holds {size:,} bytes, more than the {most:,} that such a file may: leave it out"
        )


def to_send(run: Path) -> dict[str, bytes]:
    """The files of a run by name, its goal among them, without paths of this machine.

    Raises:
        UserError: no run folder, a link among its files, a file that is far too large or damaged.
    """
    settings = load_settings(run)
    data = (settings.get("options") or {}).get("data")
    goal = goal_of(run, None if data is None else Path(data))
    chosen = [path for path in sorted(run.iterdir()) if travels(path.name) and path.name != CARD]
    if goal is not None and goal.parent != run and travels(goal.name):
        chosen.append(goal)
    found = {}
    for path in chosen:
        # In a folder that somebody else has sent it may lead to any file of this user's.
        refuse_link(path)
        if not path.is_file():
            raise UserError(f"{path} is no file: move it away")
        check_size(path.name, path.stat().st_size, str(run))
        found[path.name] = _json(path) if path.suffix == ".json" and path != goal else path.read_bytes()
    if MODEL not in found:
        raise UserError(f"{run} holds no {MODEL}: finish the training first")
    return found


def stale(files: Mapping[str, bytes]) -> dict[str, str]:
    """Which of the files tell of other weights than go with them, and why: a policy may have been learned anew since.

    Args:
        files: of a run, by name: see :func:`to_send`.
    """
    found = {}
    for name, content in files.items():
        if name == ENTRY:
            why = _other_than(json.loads(content).get("files"), files)
        elif fnmatchcase(name, FIGURES):
            why = _other_than(json.loads(content).get(EVALUATED), files)
        else:
            continue
        if why is not None:
            found[name] = why
    return found


def _other_than(digests: Any, files: Mapping[str, bytes]) -> str | None:
    """Why what was said of files with these SHA-256, by name, is not said of ``files``; None where it is."""
    if not isinstance(digests, Mapping) or not digests:
        return "does not say which weights it tells of"
    for name, expected in digests.items():
        if name not in files or hashlib.sha256(files[name]).hexdigest() != expected:
            return f"tells of another {name} than this one"
    return None


def _json(path: Path) -> bytes:
    content = read_json(path, "remove it")
    return (json.dumps(without_places(content), indent=2) + "\n").encode()


def without_places(content: Any) -> Any:
    """JSON values in which every absolute path is its last part: they tell of a machine, and lead nowhere elsewhere."""
    if isinstance(content, str):
        return re.split(r"[\\/]", content.rstrip("\\/"))[-1] if ABSOLUTE.match(content) else content
    if isinstance(content, Mapping):
        return {key: without_places(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_places(value) for value in content]
    return content
