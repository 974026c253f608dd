"""The versions of the documentation that lie beside each other, each in a folder of its name, and the switch's list.

``versions.json`` lies above the folders and is read by the pages of all of them: old pages know newer versions::

    versions.json    [{"name": "0.2.0", "folder": "0.2.0"}, {"name": "0.1.0", "folder": "0.1.0"}]
    index.html       to the first of them
    0.2.0/  0.1.0/   a built site each
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

LIST = "versions.json"
FRONT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>latentrl</title>
<meta http-equiv="refresh" content="0; url={folder}/index.html">
<a href="{folder}/index.html">latentrl {folder}</a></html>
"""


def rank(version: str) -> tuple[tuple[int, ...], bool]:
    """An order of versions: by their numbers, and what is before a release (0.2.0rc1, 0.2.0.dev3) before it."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = tuple(int(part) for part in found[0].split(".")) if found else ()
    return numbers, found is not None and found.end() == len(version)


def with_version(known: Sequence[str], version: str) -> list[str]:
    """All versions, the newest first, each once."""
    return sorted({*known, version}, key=rank, reverse=True)


def add(site: Path, version: str) -> list[str]:
    """Write the list and the front page of ``site`` with ``version`` among those whose folders are there."""
    file = site / LIST
    known = [entry["folder"] for entry in json.loads(file.read_text(encoding="utf-8"))] if file.is_file() else []
    versions = with_version([folder for folder in known if (site / folder).is_dir()], version)
    site.mkdir(parents=True, exist_ok=True)
    entries = [{"name": folder, "folder": folder} for folder in versions]
    file.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    (site / "index.html").write_text(FRONT.format(folder=versions[0]), encoding="utf-8")
    return versions
