"""Recorded pictures: where channels are, which numbers mean what, crop, size and grey."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from latentrl.envs.pixels import PixelObservation
from latentrl.recordings.pictures import Crop, Layout, Pictures, as_bytes, factor_of, is_picture, layout_of
from latentrl.support.errors import UserError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((48, 64, 3), Layout(48, 64, 3)),
        ((3, 48, 64), Layout(48, 64, 3, first=True)),
        ((48, 64), Layout(48, 64, 0)),
        ((4, 48, 64), Layout(48, 64, 4, first=True)),
        ((3, 8, 3), Layout(3, 8, 3)),
        ((9, 48, 64), None),
        ((7,), None),
        ((), None),
    ],
)
def test_layouts(shape: tuple[int, ...], layout: Layout | None) -> None:
    assert layout_of(shape) == layout


def test_what_is_a_picture() -> None:
    byte, real = np.dtype(np.uint8), np.dtype(np.float64)
    assert is_picture((6, 6, 1), byte) and is_picture((48, 64), byte) and is_picture((3, 48, 64), real)
    assert not is_picture((5,), byte) and not is_picture((3, 3), real) and not is_picture((2, 6, 3), real)
    with pytest.raises(UserError, match=r"\[9, 48, 64\].* not a stack"):
        is_picture((9, 48, 64), byte)


@pytest.mark.parametrize(
    ("recorded", "factor"),
    [
        (BYTES, 1.0),
        (BYTES.astype(np.float64), 1.0),
        (BYTES.astype(np.int64), 1.0),
        (BYTES.astype(np.float32) / 255, 255.0),
        (BYTES.astype(np.float64) / 255, 255.0),
        (BYTES > 127, 255.0),
    ],
)
def test_numbers_become_the_bytes_that_they_were(recorded: NDArray[Any], factor: float) -> None:
    assert factor_of(recorded, "rec") == factor
    expected = BYTES if recorded.dtype != np.bool_ else np.where(BYTES > 127, 255, 0)
    np.testing.assert_array_equal(as_bytes(recorded, factor, "rec"), expected)


def test_other_ranges_are_refused_with_the_value_and_the_step() -> None:
    for bad in (BYTES - 1.0 * 128, BYTES * 2.0, np.full((2, 8, 8), np.nan)):
        with pytest.raises(UserError, match=r"rec: goes from .* from 0 to 1 or from 0 to 255"):
            factor_of(bad, "rec")
    late = np.zeros((5, 8, 8, 1))
    late[3, 2, 1, 0] = 1.5
    with pytest.raises(UserError, match=r"rec, step 13: the value 1\.5 is not in 0 to 1"):
        as_bytes(late, 255.0, "rec", step=10)
    late[3, 2, 1, 0] = np.nan
    with pytest.raises(UserError, match=r"rec, step 3: the value nan"):
        as_bytes(late, 1.0, "rec")


def test_every_way_of_storing_gives_the_same_picture() -> None:
    plain = Pictures(Layout(12, 16, 3))
    np.testing.assert_array_equal(plain(BYTES, "rec"), BYTES)
    first = np.moveaxis(BYTES, -1, 1)
    np.testing.assert_array_equal(Pictures(Layout(12, 16, 3, first=True))(first, "rec"), BYTES)
    opaque = np.concatenate((BYTES, np.full((3, 12, 16, 1), 7, np.uint8)), -1)
    np.testing.assert_array_equal(Pictures(Layout(12, 16, 4))(opaque, "rec"), BYTES)
    np.testing.assert_array_equal(Pictures(Layout(12, 16, 0))(BYTES[..., 0], "rec"), BYTES[..., :1])
    with pytest.raises(UserError, match=r"rec: its frames are \[12, 15, 3\]"):
        plain(BYTES[:, :, :15], "rec")


def test_crop_size_and_grey_are_those_of_an_environments_pictures() -> None:
    """What was recorded and what an environment shows later must be made small in one way."""
    crop, size = Crop(2, 4, 8, 10), (5, 7)
    ours = Pictures(Layout(12, 16, 3), crop=crop, size=size, grey=True)
    assert ours.shape == (5, 7, 1)
    shown = iter(BYTES)
    wrapped = object.__new__(PixelObservation)
    wrapped._rendered = None
    wrapped.size, wrapped.grey, wrapped.crop = size, True, (crop.top, crop.left, crop.height, crop.width)
    wrapped.env = type("Env", (), {"render": lambda self: next(shown)})()
    wrapped.observation_space = type("Space", (), {"shape": (5, 7, 1)})()
    np.testing.assert_array_equal(ours(BYTES, "rec"), np.stack([wrapped._photograph() for _ in BYTES]))
    coloured = replace(ours, grey=False, size=None)
    np.testing.assert_array_equal(coloured(BYTES, "rec"), BYTES[:, 2:10, 4:14])


def test_a_size_is_rows_and_columns() -> None:
    expected = np.asarray(Image.fromarray(BYTES[0]).resize((20, 6), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(Pictures(Layout(12, 16, 3), size=(6, 20))(BYTES, "rec")[0], expected)
