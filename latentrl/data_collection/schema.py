"""What ``metadata.json`` of a data folder must say, checked key by key when it is read: anybody may have written it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latentrl.data_collection.again import how_to_record_again
from latentrl.data_collection.checks import check_bounds
from latentrl.support.errors import UserError
from latentrl.support.suggestion import SUGGESTED

SCHEMA = 1
"""The version of what is written; folders that say none are of the first."""


def check_metadata(content: Any, path: Path) -> dict[str, Any]:
    """The metadata, if they are what :func:`~latentrl.data_collection.storage.load_metadata` promises.

    Args:
        content: of the file, as JSON has it.
        path: of the file.

    Raises:
        UserError: names file, key, value and cure.
    """
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object: {how_to_record_again(path.parent)}")
    again = how_to_record_again(path.parent, content)
    schema = content.get("schema", SCHEMA)
    if not _whole(schema) or schema > SCHEMA:
        raise UserError(f"{path}: schema is {schema!r}, this version reads {SCHEMA}: install a newer latentrl")
    for key, (fits, wanted) in NEEDED.items():
        if key not in content:
            raise UserError(f"{path}: {key!r} is missing: {again}")
        if not fits(content[key]):
            raise UserError(f"{path}: {key!r} is {_short(content[key])}, not {wanted}: {again}")
    for key, (fits, wanted) in POSSIBLE.items():
        if content.get(key) is not None and not fits(content[key]):
            raise UserError(f"{path}: {key!r} is {_short(content[key])}, not {wanted}: {again}")
    check_bounds(content, str(path))
    return content


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _whole(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_whole, value))


def _splits(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name.isidentifier() and isinstance(one, dict) and _whole(one.get("sequences")) and _whole(one.get("length"), 2)
        for name, one in value.items()
    )


def _file_name(value: Any) -> bool:
    return isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\\0")


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


Check = tuple[Callable[[Any], bool], str]

NEEDED: Mapping[str, Check] = {
    "observation_shape": (_sizes, "a list of whole numbers, 1 or more"),
    "observation_dtype": (lambda value: value in ("uint8", "float32"), "uint8 or float32"),
    "splits": (_splits, "an object of splits, each with its 'sequences' (1 or more) and 'length' (2 or more)"),
}
POSSIBLE: Mapping[str, Check] = {
    "env_id": (_is(str), "text"),
    "env_kwargs": (_is(dict), "an object"),
    "pixels": (lambda value: _whole(value) or _sizes(value), "a whole number or two of them"),
    "grey": (_is(bool), "true or false"),
    "crop": (lambda value: isinstance(value, list) and len(value) == 4, "a list of four numbers"),
    "repeat": (_whole, "a whole number, 1 or more"),
    "coordinates": (_is(list), "a list"),
    "tasks": (_is(dict), "an object"),
    "reset_options": (_is(dict), "an object"),
    SUGGESTED: (_is(dict), "an object"),
    "goal": (_file_name, "the name of a file beside it"),
    "sha256": (
        lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
        "an object of texts",
    ),
}
"""Keys that may be absent or null."""
