"""What a reader is: it knows its format when it sees it, and opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from latentrl.recordings.recording import Source


class Reader(Protocol):
    """One format."""

    @property
    def expects(self) -> str:
        """What this format looks like on disk, in a few words for people."""
        ...

    def locate(self, source: str) -> Path | None:
        """Where the data is that ``source``, a path or a name, means; None: it is not of this format."""
        ...

    def open(self, path: Path) -> Source:
        """The recordings in ``path``, as :meth:`locate` gave it; headers are read, no data.

        Raises:
            UserError: it is damaged, empty, or wants a package that is not installed; names file and cure.
        """
        ...
