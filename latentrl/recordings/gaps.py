"""Where recordings are interrupted, by what is no number and by uneven times, and the pieces between."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentrl.recordings.columns import TIMES, even_step, such_steps, uneven_steps, usual_step
from latentrl.recordings.keys import Part
from latentrl.recordings.observing import NotFinite, side_by_side, usable
from latentrl.recordings.recording import Recording
from latentrl.recordings.span import Onward, Span, frames_of
from latentrl.recordings.timing import End, aligned
from latentrl.support.errors import UserError


@dataclass(frozen=True)
class Read:
    """What of a recording is to be numbers throughout.

    Attributes:
        readings: of the observation; none where it is a picture.
        truth: kept for metrics.
        actions: put side by side.
        surplus: which action goes with no two frames, where there are as many as frames.
    """

    readings: tuple[Part, ...]
    truth: tuple[Part, ...]
    actions: tuple[Part, ...]
    surplus: End


@dataclass(frozen=True)
class Gaps:
    """Where a recording of ``T`` frames is interrupted.

    Attributes:
        frames: of which something that was read is no number, boolean ``[T]``.
        actions: that are none, of those between two frames, ``[T - 1]``.
        steps: between two frames that take another time than is usual, ``[T - 1]``.
    """

    frames: NDArray[np.bool_]
    actions: NDArray[np.bool_]
    steps: NDArray[np.bool_]

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """The first frame, and the one after the last, of every run of frames that nothing interrupts, in order."""
        count, broken = len(self.frames), self.actions | self.steps
        begins = ~self.frames & np.append(True, self.frames[:-1] | broken)[:count]
        ends = ~self.frames & np.append(self.frames[1:] | broken, True)[:count]
        return [(int(a), int(b) + 1) for a, b in zip(np.flatnonzero(begins), np.flatnonzero(ends), strict=True)]

    @property
    def count(self) -> int:
        """How many interruptions there are: frames that are left out one after the other are one."""
        pieces = self.pieces
        if not pieces:
            return int(len(self.frames) > 0)
        return len(pieces) - 1 + (pieces[0][0] > 0) + (pieces[-1][1] < len(self.frames))


@dataclass(frozen=True)
class Cut:
    """Recordings, cut at their gaps.

    Attributes:
        pieces: what lies between the gaps, in order: a recording that has none as it is, of others spans.
        frames: of every piece, by its name.
        step: seconds of a step, the mean of those that are even; None: no times are recorded.
        interrupted: how many recordings have gaps.
        gaps: how many there are.
        lost: frames that are in no piece.
        actions: that are no numbers.
        uneven: steps.
    """

    pieces: Sequence[Recording]
    frames: Mapping[str, int]
    step: float | None = None
    interrupted: int = 0
    gaps: int = 0
    lost: int = 0
    actions: int = 0
    uneven: int = 0

    @property
    def reasons(self) -> str:
        """What the gaps are, in words."""
        found = ((self.lost, "frame", " without numbers"), (self.actions, "action", " without numbers"))
        counted = (*found, (self.uneven, "uneven step", ""))
        return ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}{rest}" for n, what, rest in counted if n)


def cut_at_gaps(recordings: Sequence[Recording], frames: Mapping[str, int], read: Read) -> Cut:
    """The pieces of recordings between their gaps; a column of times is looked for by its name, one of `TIMES`.

    Args:
        recordings: all of them, for what step is usual they tell together.
        frames: of each, by its name.
        read: what is to be numbers.

    Raises:
        UserError: a file is damaged, or holds another number of steps than it announces.
    """
    times = {one.name: _times(one, frames[one.name]) for one in recordings}
    known = [values for values in times.values() if values is not None]
    usual = usual_step(known)
    pieces: list[Recording] = []
    reader = Onward()
    held: dict[str, int] = {}
    found: list[Gaps] = []
    for one in recordings:
        count, seconds = frames[one.name], times[one.name]
        uneven = np.zeros(max(count - 1, 0), bool) if seconds is None else uneven_steps(seconds, usual)
        gaps = Gaps(_unusable_frames(one, count, read), _unusable_actions(one, count, read), uneven)
        mine: list[Recording] = (
            [Span(one, count, first, stop, reader) for first, stop in gaps.pieces] if gaps.count else [one]
        )
        held |= {piece.name: frames_of(piece, frames) for piece in mine}
        pieces += mine
        found += [gaps] * (gaps.count > 0)
    lost, actions, steps = (sum(int(getattr(one, n).sum()) for one in found) for n in ("frames", "actions", "steps"))
    return Cut(pieces, held, even_step(known, usual), len(found), sum(one.count for one in found), lost, actions, steps)


@contextmanager
def told_of_all(recordings: Sequence[Recording], frames: Mapping[str, int], read: Read) -> Iterator[None]:
    """Within the block what is no number is refused with how much else is none, in that recording and in others.

    Raises:
        UserError: in place of :class:`~latentrl.recordings.observing.NotFinite`.
    """
    try:
        yield
    except NotFinite as error:
        counts = {one.name: _unusable_steps(one, frames[one.name], read) for one in recordings}
        here = counts.pop(error.recording)
        raise UserError(f"{error}; {such_steps(here, list(counts.values()))}") from error


def _unusable_steps(recording: Recording, frames: int, read: Read) -> int:
    """Steps at which a reading or an action is no number."""
    seen, acted = _unusable_frames(recording, frames, read, truth=False), _unusable_actions(recording, frames, read)
    return int((seen | np.append(acted, False)[: len(seen)]).sum())


def _unusable_frames(recording: Recording, frames: int, read: Read, truth: bool = True) -> NDArray[np.bool_]:
    parts = (*read.readings, *(read.truth if truth else ()))
    if not parts:
        return np.zeros(frames, bool)
    values = side_by_side(recording, parts)
    if len(values) != frames:
        raise UserError(f"{recording.name}: its header announces {frames} frames, {len(values)} came; write it again")
    return np.asarray(~usable(values).all(1))


def _unusable_actions(recording: Recording, frames: int, read: Read) -> NDArray[np.bool_]:
    values = side_by_side(recording, read.actions)
    return np.asarray(~usable(aligned(values, frames, read.surplus, recording.name)).all(1))


def _times(recording: Recording, frames: int) -> NDArray[np.float64] | None:
    """The seconds ``[T]`` of the frames, in whatever unit; None: there are none."""
    for key, what in recording.keys.items():
        if key.lower() in TIMES and math.prod(what.shape) == 1 and what.steps == frames:
            return side_by_side(recording, (Part(key),))[:, 0]
    return None
