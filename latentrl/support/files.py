"""Files that are whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latentrl.support.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to.

    Where the block ends well it takes the place of ``path`` in one move, so that readers see the old file or the new
    one; where it does not, ``path`` stays what it was and nothing is left beside it.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    os.replace(partial, path)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the contents of ``path`` by ``content``, or leave them as they are."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace the contents of ``path`` by ``content`` as UTF-8, or leave them as they are."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file: readers see the old or the new one, never half."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """Read a JSON file.

    Raises:
        UserError: no such file, or no JSON object; ``cure`` says what to do.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: {cure}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged (it is no JSON object): {cure}")
    return found
