"""Which recordings are trained on and which are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentrl.recordings.timing import kept_frames
from latentrl.support.errors import UserError


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the recordings to train on and of those held out, both in order.

    A recording is in one of them as a whole: windows of one recording are too much alike to test anything.

    Args:
        count: recordings.
        share: of them that are held out, one or more, and so that one or more is left.
        seed: of the draw.

    Raises:
        UserError: a share that is none.
        ValueError: a single recording: that is :func:`split_in_time`'s.
    """
    _check(share)
    if count < 2:
        raise ValueError("a single recording is split in time")
    held_out = min(max(1, round(share * count)), count - 1)
    drawn = np.random.default_rng(seed).permutation(count)
    return sorted(map(int, drawn[held_out:])), sorted(map(int, drawn[:held_out]))


def split_in_time(steps: int, share: float, length: int) -> tuple[int, int]:
    """Where a single recording is cut: the beginning is trained on, the end is held out.

    Between them lie ``length`` steps that are in neither: windows that touch, or nearly do, are too much alike.

    Args:
        steps: of the recording.
        share: of them that are held out, but a sequence at least, and so that one is left to train on.
        length: of a sequence.

    Returns:
        The step after the last that is trained on, and the first that is held out.

    Raises:
        UserError: a share that is none, or fewer than three times as many steps as in a sequence.
    """
    _check(share)
    if steps < 3 * length:
        raise UserError(
            f"a single recording that is long enough, of {steps} frames: sequences of {length} take {3 * length}, to "
            f"train on, to hold out and to lie between; give --length {max(2, steps // 3)} or less, or more recordings"
        )
    held_out = min(max(length, round(share * steps)), steps - 2 * length)
    return steps - held_out - length, steps - held_out


def split_pieces_in_time(
    pieces: Sequence[tuple[int, int]], share: float, length: int, every: int = 1
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Which pieces of a single recording are trained on and which, the last ones, are held out.

    The last pieces are held out whose frames are nearest to the share. Where they would be less than half of it, or
    more than one and a half times as much, the piece that the share begins in is cut as :func:`split_in_time` does.
    Before what is held out ``length`` steps are in neither.

    Args:
        pieces: the first frame and the one after the last of each, in order; a sequence or more fits into each.
        share: of the frames that are held out, but a sequence at least, and so that one is left to train on.
        length: of a sequence.
        every: frames of the recording from one step of a sequence to the next.

    Returns:
        Pieces to train on, and pieces that are held out; a sequence or more fits into each.

    Raises:
        UserError: a share that is none, or pieces that are too short.
    """
    _check(share)
    steps = [kept_frames(stop - first, every) for first, stop in pieces]
    wanted = max(length, round(share * sum(steps)))
    held = [sum(steps[at:]) for at in range(len(pieces))]
    inside = max(at for at in range(len(pieces)) if held[at] >= wanted or at == 0)

    def cut() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        (first, stop), rest = pieces[inside], sum(steps[inside + 1 :])
        until, begin = split_in_time(steps[inside], min(max((wanted - rest) / steps[inside], 1e-9), 1 - 1e-9), length)
        before = (first, first + (until - 1) * every + 1)
        return [*pieces[:inside], before], [(first + begin * every, stop), *pieces[inside + 1 :]]

    def between(at: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        last = pieces[at][0] - length * every
        before = [(first, min(stop, last)) for first, stop in pieces[:at]]
        return [one for one in before if kept_frames(max(0, one[1] - one[0]), every) >= length], list(pieces[at:])

    near = sorted(range(1, len(pieces)), key=lambda at: abs(held[at] - wanted))
    good = [at for at in near if 2 * abs(held[at] - wanted) <= wanted]
    if not any(between(at)[0] for at in good) and steps[inside] >= 3 * length:
        return cut()
    for at in near:
        if between(at)[0]:
            return between(at)
    raise UserError(
        f"--length {length}: the {len(pieces)} pieces of a single recording, of {max(steps)} frames at most, are too "
        "short to train on some and to hold out others; give a smaller one, or more recordings"
    )


def _check(share: float) -> None:
    if not 0 < share < 1:
        raise UserError(f"--test-share {share:g}: give a share between 0 and 1")


def default_length(frames: Sequence[int], most: int) -> int:
    """Frames in a sequence: ``most``, or what nine recordings in ten have if that is less; 2 or more."""
    if len(frames) == 1:
        # It is cut into what is trained on, a gap and what is held out.
        return max(2, min(most, frames[0] // 3))
    return max(2, min(most, int(np.quantile(frames, 0.1, method="lower"))))


def length_of_pieces(frames: Sequence[int], most: int) -> int:
    """Frames in a sequence where recordings were cut: so many that nine frames in ten are in pieces of as many.

    Args:
        frames: of each piece; many may have a few alone.
        most: is not exceeded.
    """
    ordered = np.sort(np.asarray(frames))
    shorter = np.cumsum(ordered) - ordered
    longest = ordered[np.flatnonzero(10 * shorter <= ordered.sum())[-1]]
    return max(2, min(most, int(longest)))
