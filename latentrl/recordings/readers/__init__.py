"""Formats of recordings: one file and one line each."""

from __future__ import annotations

from latentrl.recordings.readers.arrays import ArrayReader
from latentrl.recordings.readers.base import Reader
from latentrl.recordings.readers.lerobot import LeRobotReader
from latentrl.recordings.readers.minari import MinariReader
from latentrl.recordings.readers.tables import TableReader
from latentrl.recordings.readers.videos import VideoReader
from latentrl.recordings.recording import Source
from latentrl.support.errors import UserError

READERS: dict[str, Reader] = {
    "lerobot": LeRobotReader(),
    "minari": MinariReader(),
    "videos": VideoReader(),
    "arrays": ArrayReader(),
    "tables": TableReader(),
}
"""By name, in the order in which they are asked whether a source is theirs."""


def open_source(source: str, form: str | None = None) -> tuple[str, Source]:
    """Open recordings in whatever format they are.

    Args:
        source: a path, or a name that a format knows.
        form: one of `READERS`; None: the first whose format it is.

    Returns:
        The format's name and what is there.

    Raises:
        UserError: no such source, of no known format, or damaged.
    """
    if form is not None and form not in READERS:
        raise UserError(f"--format {form}: choose one of {', '.join(READERS)}")
    for name, reader in READERS.items() if form is None else ((form, READERS[form]),):
        path = reader.locate(source)
        if path is not None:
            return name, reader.open(path)
    known = "; ".join(f"{name}: {READERS[name].expects}" for name in ([form] if form else READERS))
    raise UserError(f"{source}: there are no recordings in a known format; expected is one of these: {known}")
