"""Files that are whole or not there at all."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentrl.support.errors import UserError


def partial_of(path: Path) -> Path:
    """Where a file is written before it takes its name; a process that is killed may leave it."""
    return path.with_name(f"{path.name}.partial")


def is_special(path: Path) -> bool:
    """Whether it is neither file nor folder, nor a link to one: a named pipe, which may be waited at for ever."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to.

    Where the block ends well it takes the place of ``path`` in one move, so that readers see the old file or the new
    one; where it does not, ``path`` stays what it was and nothing is left beside it. Links are replaced, not followed:
    a folder from somebody else may hold one that leads to a file of this user's. So are pipes and the like, that would
    be written to for ever.
    """
    partial = partial_of(path)
    if partial.is_symlink() or is_special(partial):
        partial.unlink()
    try:
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    os.replace(partial, path)


def refuse_link(path: Path) -> None:
    """Refuse a link below a folder that a verb writes into: in one that somebody else has sent, it leads anywhere.

    Raises:
        UserError: names it.
    """
    if path.is_symlink():
        raise UserError(
            f"{path} is a link to {os.readlink(path)}, and nothing is written through links within a folder: remove it"
        )


def refuse_links(folder: Path, depth: int) -> None:
    """Refuse links in a folder, and in those within it so many levels deep; see :func:`refuse_link`.

    Raises:
        UserError: names the first.
    """
    for path in sorted(folder.iterdir()):
        refuse_link(path)
        if depth > 1 and path.is_dir():
            refuse_links(path, depth - 1)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the contents of ``path`` by ``content``, or leave them as they are."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the contents of ``path`` by ``content`` as UTF-8, or leave them as they are."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file: readers see the old or the new one, never half; a number that is not finite becomes null."""
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def parsed_json(text: str | bytes) -> Any:
    """What a JSON text holds that somebody else may have written.

    Raises:
        ValueError: no JSON, no UTF-8, a number of too many digits, or too many brackets within each other, for which
            :func:`json.loads` raises a RecursionError.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too many brackets within each other") from error


def fault_of_json(text: str) -> str | None:
    """What is wrong with a text that should be JSON, in words, with the cure where it is plain; None: it is JSON."""
    try:
        parsed_json(text)
    except json.JSONDecodeError as error:
        where = re.split(r"[,\]\s]", text[error.pos :], maxsplit=1)[0][:20]
        bare = re.fullmatch(r"([-+]?)(\.\d+)", where)
        cure = f"; write {bare[1].replace('+', '')}0{bare[2]}" if bare else ""
        place = repr(where or text[error.pos]) if error.pos < len(text) else "its end"
        return f"is no JSON at {place}, character {error.pos + 1}{cure}"
    except ValueError as error:
        return f"is no JSON ({error})"
    return None


def is_list(text: str) -> bool:
    """Whether a user has written a JSON list itself, in the place of a file's name."""
    return text.strip().startswith("[") and text.strip().endswith("]")


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UserError: no such file, not JSON, or no object; ``cure`` says what to do.
    """
    if is_special(path):
        raise UserError(f"{path} is no file (a pipe or a device): {cure}")
    try:
        found = parsed_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {cure}") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise UserError(f"{path} is no file ({error.strerror}): {cure}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged (it holds {_kind(found)}, no JSON object): {cure}")
    return found


def check_kinds(content: Any, kinds: Mapping[str, type | tuple[type, ...]], path: Path, cure: str) -> None:
    """Refuse what was read from ``path`` where it is no JSON object, or one of its values is of another kind.

    A list must hold texts alone.

    Raises:
        UserError: names the key; ``cure`` says what to do.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{path} is damaged (it holds {_kind(content)} where a JSON object belongs): {cure}")
    for key, kind in kinds.items():
        if key not in content:
            raise UserError(f"{path} is damaged ({key} is missing): {cure}")
        value = content[key]
        fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
        if not fits or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            raise UserError(f"{path} is damaged ({key} is {_kind(value)}): {cure}")


def _finite(content: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def _kind(found: Any) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(found), "a number")
