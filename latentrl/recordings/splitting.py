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
        UserError: a share that is none, or a single recording.
    """
    if not 0 < share < 1:
        raise UserError(f"--test-share {share:g}: give a share between 0 and 1")
    if count < 2:
        raise UserError(
            f"{count} recording that is long enough: two are needed, one to train on and one to test; cut a long one "
            "into several files, or give a smaller --length"
        )
    held_out = min(max(1, round(share * count)), count - 1)
    drawn = np.random.default_rng(seed).permutation(count)
    return sorted(map(int, drawn[held_out:])), sorted(map(int, drawn[:held_out]))


def default_length(frames: Sequence[int], most: int) -> int:
    """Frames in a sequence: ``most``, or what nine recordings in ten have if that is less; 2 or more."""
    return max(2, min(most, int(np.quantile(frames, 0.1, method="lower"))))
