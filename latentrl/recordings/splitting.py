"""Which recordings are trained on and which are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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


def _check(share: float) -> None:
    if not 0 < share < 1:
        raise UserError(f"--test-share {share:g}: give a share between 0 and 1")


def default_length(frames: Sequence[int], most: int) -> int:
    """Frames in a sequence: ``most``, or what nine recordings in ten have if that is less; 2 or more."""
    if len(frames) == 1:
        # It is cut into what is trained on, a gap and what is held out.
        return max(2, min(most, frames[0] // 3))
    return max(2, min(most, int(np.quantile(frames, 0.1, method="lower"))))
