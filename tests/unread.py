"""An output that nobody reads any more, as a closed pipe that is written to at once."""

from __future__ import annotations

import io


class Unread(io.StringIO):
    """Refuses everything, as the operating system does for a pipe."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(f"nobody reads {text!r}")
