"""What ``settings.json`` must say: checked before anything is made of it, each complaint naming the key."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from latentrl.support.errors import UserError

SCHEMA = 1
"""Of what this version writes; what is older says none, and is read as it was."""
VERSION, KEYS = "schema", "keys"
PARTS: dict[str, type] = {"model": dict, "options": dict, "training": dict, "data": dict}
DTYPES = ("uint8", "float32")
ELSEWHERE = "take it from where the folder comes from once more, or train the run again"


def keys_of(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of all that a run was begun with, by part: what is written down, so that none can be lost unnoticed."""
    parts = {"options": content["options"], "training": content["training"], "model": content["model"]["settings"]}
    return {name: sorted(part) for name, part in parts.items()}


def check_settings(content: Mapping[str, Any], path: Path) -> None:
    """Refuse settings that are from a newer version, or not whole.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        UserError: it names the key.
    """
    version = content.get(VERSION, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise _damaged(path, f"{VERSION} is {_short(version)}, not a whole number")
    if version > SCHEMA:
        raise UserError(
            f"{path}: {VERSION} {version} is of a newer version of latentrl, this one knows up to {SCHEMA}: "
            "use the version that made the run"
        )
    for name, kind in PARTS.items():
        if name in content and not isinstance(content[name], kind):
            raise _damaged(path, f"{name} is {_short(content[name])}, no object")
        if version and name not in content:
            raise _damaged(path, f"{name} is missing")
    threads = content.get("threads", 1)
    if threads is not None and not _is_size(threads):
        raise _damaged(path, f"threads is {_short(threads)}, no number of threads")
    processes = content.get("processes", 1)
    if not _is_size(processes):
        raise _damaged(path, f"processes is {_short(processes)}, no number of processes")
    if "model" in content:
        _check_model(content["model"], path)
    if isinstance(content.get("options"), dict) and not isinstance(content["options"].get("data", ""), str):
        raise _damaged(path, f"options.data is {_short(content['options']['data'])}, no text")
    if version:
        _check_keys(content, path)


def require(content: Mapping[str, Any], path: Path, *names: str) -> None:
    """Refuse settings that lack what a verb needs, such as ``options.data``: those of older versions may say less.

    Raises:
        UserError: it names the key.
    """
    for name in names:
        found: Any = content
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise _damaged(path, f"{name} is missing")
            found = found[part]


def _check_model(model: Mapping[str, Any], path: Path) -> None:
    for name, kind in (("name", str), ("settings", dict), ("spec", dict)):
        if not isinstance(model.get(name), kind):
            raise _damaged(path, f"model.{name} is {_short(model.get(name, 'missing'))}")
    spec = model["spec"]
    shape, size, scale = (spec.get(name) for name in ("observation_shape", "action_size", "action_scale"))
    if not isinstance(shape, list) or not shape or not all(_is_size(one) for one in shape):
        raise _damaged(path, f"model.spec.observation_shape is {_short(shape)}, no list of sizes")
    if spec.get("observation_dtype") not in DTYPES:
        raise _damaged(path, f"model.spec.observation_dtype is {_short(spec.get('observation_dtype'))}")
    if not _is_size(size):
        raise _damaged(path, f"model.spec.action_size is {_short(size)}, no size")
    if not isinstance(scale, list) or len(scale) != size or not all(map(_is_scale, scale)):
        raise _damaged(path, f"model.spec.action_scale is {_short(scale)}, not {size} number(s) above zero")


def _check_keys(content: Mapping[str, Any], path: Path) -> None:
    names = content.get(KEYS)
    if not isinstance(names, dict):
        raise _damaged(path, f"{KEYS} is {_short(names)}, no object")
    for part, found in (
        ("options", content["options"]),
        ("training", content["training"]),
        ("model", content["model"]["settings"]),
    ):
        wanted = names.get(part)
        if not isinstance(wanted, Collection) or not all(isinstance(name, str) for name in wanted):
            raise _damaged(path, f"{KEYS}.{part} is {_short(wanted)}, no list of names")
        lost = sorted(set(wanted) - found.keys())
        if lost:
            raise _damaged(path, f"{part}{'.settings' if part == 'model' else ''}.{lost[0]} is missing")


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path} is damaged ({what}): {ELSEWHERE}")


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 2**31


def _is_scale(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < 1e30 and math.isfinite(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
