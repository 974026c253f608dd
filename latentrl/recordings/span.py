"""A stretch of a recording, as if it were one of its own: how a single one is both trained on and tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from latentrl.recordings.recording import Key, Recording


@dataclass(frozen=True)
class Span:
    """The frames ``first`` to ``stop - 1`` of ``frames`` frames of a recording, and the actions that go with them.

    Attributes:
        whole: the recording.
        frames: how many it has.
        first: of the frames that belong.
        stop: the one after the last that does.
    """

    whole: Recording
    frames: int
    first: int
    stop: int

    @property
    def name(self) -> str:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        return f"{self.whole.name}, frames {self.first} to {self.stop - 1}"

    @property
    def keys(self) -> Mapping[str, Key]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        return {name: replace(key, steps=max(0, self._stop(key) - self.first)) for name, key in self.whole.keys.items()}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        step, stop = 0, self._stop(self.whole.keys[key])
        for block in self.whole.blocks(key):
            inside = block[max(0, self.first - step) : max(0, stop - step)]
            if len(inside):
                yield inside
            step += len(block)
            if step >= stop:
                return

    def part(self, first: int, stop: int) -> Span:
        """The frames ``first`` to ``stop - 1`` of this one's."""
        return Span(self.whole, self.frames, self.first + first, self.first + stop)

    def _stop(self, key: Key) -> int:
        # What has a step less than there are frames lies between them.
        return min(key.steps, self.stop - max(0, self.frames - key.steps))


def place_of(recording: Recording) -> tuple[str, int]:
    """The name of the recording that a span is of, or that it is itself, and the first frame there."""
    return (recording.whole.name, recording.first) if isinstance(recording, Span) else (recording.name, 0)
