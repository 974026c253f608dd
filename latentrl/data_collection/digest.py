"""Whether a split is still what was recorded: a checksum of its files, which ``metadata.json`` holds.

A run that keeps the checksum of its data can tell other data at the same place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentrl.data_collection.again import how_to_record_again
from latentrl.data_collection.arrow import PART
from latentrl.support.errors import UserError

CHECKSUMS = "sha256"
"""Of the metadata: by split, absent in folders of earlier versions."""


def digest(folder: Path, split: str) -> str:
    """The SHA-256 of a split: of the names and the contents of its episodes' files, in their order.

    It costs reading them once: some hundred megabytes a second.

    Args:
        folder: the data folder.
        split: its name.
    """
    total = hashlib.sha256()
    data = Path(folder) / f"{split}-v0" / "data"
    for path in sorted(data.glob(f"*/{PART}"), key=lambda path: (len(path.parent.name), path.parent.name)):
        total.update(path.parent.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def known_digest(metadata: Mapping[str, Any], split: str) -> str | None:
    """The checksum that a folder's metadata has of a split; loading the split checks it. None: of an old version."""
    return (metadata.get(CHECKSUMS) or {}).get(split)


def check_digest(folder: Path, split: str, metadata: Mapping[str, Any]) -> None:
    """Refuse a split whose files are not those that were recorded.

    Raises:
        UserError: names the folder, and how to record it again.
    """
    known = known_digest(metadata, split)
    if known is None:
        return
    found = digest(folder, split)
    if found != known:
        raise UserError(
            f"{folder}: the files of the split {split!r} are not those that were recorded (their SHA-256 is "
            f"{found[:12]}..., metadata.json says {known[:12]}...): {how_to_record_again(folder, metadata)}; or, where "
            f"you changed them yourself, take {split!r} out of {CHECKSUMS!r} in metadata.json"
        )
