"""The cure for a damaged data folder: how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentrl.support.commands import command

SEPARATORS = {"pixels": "x", "crop": ","}
"""Of the options that are lists of numbers."""


def how_to_record_again(folder: Path, metadata: Mapping[str, Any] | None = None) -> str:
    """What to do about a damaged folder, as the rest of a sentence; with its own options where they are known.

    Args:
        folder: the data folder.
        metadata: of it, as far as it can be read.
    """
    known = metadata or {}
    collection, origin = known.get("collection"), known.get("origin")
    if isinstance(collection, Mapping) and isinstance(collection.get("env"), str):
        return f"copy it again, or record it again with {command('collect', *_words(collection, folder))}"
    if isinstance(origin, Mapping) and isinstance(origin.get("source"), str):
        again = command("import", origin["source"], "--out", folder, "--overwrite")
        return f"copy it again, or import it again with {again} and its former options"
    again = command("collect", "--out", folder, "--overwrite")
    return f"copy it again, or record it again with {again} and its former options"


def _words(collection: Mapping[str, Any], folder: Path) -> list[str]:
    words = ["--env", collection["env"], "--out", str(folder), "--overwrite"]
    for name, value in collection.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "env" or value is None or value is False or value == {}:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, Mapping):
            words += [flag, json.dumps(value)]
        elif isinstance(value, list):
            words += [flag, SEPARATORS.get(name, ",").join(map(str, value))]
        else:
            words += [flag, str(value)]
    return words
