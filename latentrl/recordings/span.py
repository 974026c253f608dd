"""A stretch of a recording, as if it were one of its own: how a single one is both trained on and tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from latentrl.recordings.recording import Key, Recording


class Onward:
    """Reads stretches of recordings and goes on where it stopped, for a film has to be read from its beginning.

    Of one recording at a time: with another, the files of the one before are closed.
    """

    def __init__(self) -> None:
        self._whole: Recording | None = None
        self._open: dict[str, tuple[int, NDArray[Any] | None, Iterator[NDArray[Any]]]] = {}

    def blocks(self, whole: Recording, key: str, first: int, stop: int) -> Iterator[NDArray[Any]]:
        """The steps ``first`` to ``stop - 1`` of ``key``, in arrays ``[n, ...]``."""
        if whole is not self._whole:
            self._whole, self._open = whole, {}
        begun = self._open.pop(key, None)
        step, block, rest = begun if begun is not None and begun[0] <= first else (0, None, whole.blocks(key))
        while step < stop:
            if block is None:
                block = next(rest, None)
            if block is None:
                return
            inside = block[max(0, first - step) : stop - step]
            if len(inside):
                yield inside
            if step + len(block) > stop:
                break
            step, block = step + len(block), None
        if whole is self._whole:
            self._open[key] = (step, block, rest)


@dataclass(frozen=True)
class Span:
    """The frames ``first`` to ``stop - 1`` of ``frames`` frames of a recording, and the actions that go with them.

    Attributes:
        whole: the recording.
        frames: how many it has.
        first: of the frames that belong.
        stop: the one after the last that does.
        reader: of its steps; spans that have the same are read in one pass, if they are read in order.
    """

    whole: Recording
    frames: int
    first: int
    stop: int
    reader: Onward = field(default_factory=Onward, compare=False, repr=False)

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
        yield from self.reader.blocks(self.whole, key, self.first, self._stop(self.whole.keys[key]))

    def part(self, first: int, stop: int) -> Span:
        """The frames ``first`` to ``stop - 1`` of this one's."""
        return replace(self, first=self.first + first, stop=self.first + stop)

    def _stop(self, key: Key) -> int:
        # What has a step less than there are frames lies between them.
        return min(key.steps, self.stop - max(0, self.frames - key.steps))


def frames_of(recording: Recording, frames: Mapping[str, int]) -> int:
    """How many frames a span has, or a whole recording, of which ``frames`` says it by its name."""
    return recording.stop - recording.first if isinstance(recording, Span) else frames[recording.name]


def place_of(recording: Recording) -> tuple[str, int]:
    """The name of the recording that a span is of, or that it is itself, and the first frame there."""
    return (recording.whole.name, recording.first) if isinstance(recording, Span) else (recording.name, 0)
