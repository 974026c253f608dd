"""Which action lies between which frames; every n-th frame; windows of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest

from latentrl.recordings.splitting import default_length, split, split_in_time
from latentrl.recordings.timing import (
    Held,
    aligned,
    count_windows,
    covered,
    kept_frames,
    thinned,
    thinned_actions,
    windows,
)
from latentrl.support.errors import UserError


def test_one_action_between_each_two_frames() -> None:
    actions = np.arange(5.0)[:, None]
    np.testing.assert_array_equal(aligned(actions, 6, "last", "rec"), actions)
    np.testing.assert_array_equal(aligned(actions, 5, "last", "rec"), actions[:4])
    np.testing.assert_array_equal(aligned(actions, 5, "first", "rec"), actions[1:])
    for frames in (4, 7):
        with pytest.raises(UserError, match=f"rec: has {frames} frames and 5 actions; .* {frames - 1}, .* {frames}"):
            aligned(actions, frames, "last", "rec")


@pytest.mark.parametrize("held", get_args(Held))
@pytest.mark.parametrize("every", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("frames", [2, 3, 8, 9, 64, 65])
def test_thinned_frames_and_actions_go_together(frames: int, every: int, held: Held) -> None:
    """Against plain loops over the frames that are left."""
    steps, actions = np.arange(frames), np.random.default_rng(0).normal(size=(frames - 1, 2))
    kept = [n for n in range(frames) if n % every == 0]
    found = np.concatenate(list(thinned(iter(np.array_split(steps, 5)), every)))
    np.testing.assert_array_equal(found, kept)
    assert kept_frames(frames, every) == len(kept)
    between = [actions[a:b] for a, b in zip(kept, kept[1:], strict=False)]
    expected = [one.mean(0) if held == "mean" else one[-1] for one in between]
    np.testing.assert_allclose(thinned_actions(actions, every, held), np.reshape(expected, (-1, 2)))


def test_the_mean_action_moves_a_mass_as_far_in_speed() -> None:
    actions = np.random.default_rng(1).normal(size=(12, 1))
    assert thinned_actions(actions, 4, "mean").sum() * 4 == pytest.approx(actions.sum())


@pytest.mark.parametrize("stride", [1, 3, 5, 8, 13])
@pytest.mark.parametrize("steps", [0, 4, 5, 20, 131])
def test_windows_of_a_stream_are_slices_of_the_whole(steps: int, stride: int) -> None:
    whole = np.arange(steps * 2).reshape(steps, 2)
    blocks = [whole[at : at + 7] for at in range(0, steps, 7)]
    found = list(windows(iter(blocks), 5, stride))
    starts = list(range(0, steps - 4, stride))
    assert [start for start, _ in found] == starts and count_windows(steps, 5, stride) == len(starts)
    for start, window in found:
        np.testing.assert_array_equal(window, whole[start : start + 5])
    assert covered(steps, 5, stride) == len({n for start in starts for n in range(start, start + 5)})


def test_windows_hold_little_of_a_stream() -> None:
    """Blocks are taken one by one: no more than a window and a block is ahead of what was given."""
    taken = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(100):
            taken += 10
            yield np.zeros((10, 1))

    for start, _ in windows(blocks(), 25, 25):
        assert taken <= start + 25 + 10


def test_recordings_are_in_one_split_as_a_whole() -> None:
    for count, share, held_out in ((10, 0.2, 2), (2, 0.2, 1), (3, 0.9, 2), (300, 0.2, 60)):
        train, test = split(count, share, seed=1)
        assert sorted(train + test) == list(range(count)) and len(test) == held_out
        assert split(count, share, seed=1) == (train, test)
    assert split(300, 0.2, 1) != split(300, 0.2, 2)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(UserError, match="--test-share"):
            split(5, share, 0)
        with pytest.raises(UserError, match="--test-share"):
            split_in_time(500, share, 5)


def test_a_single_recording_is_cut_with_a_gap_of_a_sequence() -> None:
    for steps, share, length in ((100, 0.2, 10), (30, 0.2, 10), (31, 0.9, 10), (1000, 0.5, 30), (6, 0.01, 2)):
        stop, first = split_in_time(steps, share, length)
        assert first - stop == length and stop >= length and steps - first >= length
    assert split_in_time(100, 0.2, 10) == (70, 80)
    with pytest.raises(UserError, match=r"of 29 frames: sequences of 10 take 30.*--length 9"):
        split_in_time(29, 0.2, 10)
    assert default_length([29], 30) == 9 and default_length([500], 30) == 30


def test_the_default_length_is_what_nine_recordings_in_ten_have() -> None:
    assert default_length([40] * 10, 30) == 30
    assert default_length([5, *[20] * 18, 25], 30) == 20
    assert default_length([1, 1], 30) == 2
