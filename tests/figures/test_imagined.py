"""Strips and curves of imagined sequences."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.figures.imagined import MOST_CURVES, image_strips, sensor_curves
from latentrl.figures.theme import to_png


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_stands_in_its_row_and_column(channels: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((2, 4, 8, 6, channels)).astype(np.float32)
    (axes,) = image_strips(images).axes
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (2 * 9 - 1, 4 * 7 - 1, 4)
    for k in range(2):
        for t in range(4):
            tile = shown[9 * k : 9 * k + 8, 7 * t : 7 * t + 6]
            np.testing.assert_array_equal(tile[..., :3], np.broadcast_to(images[k, t], (8, 6, 3)))
            assert (tile[..., 3] == 1).all()
    assert (shown[8] == 0).all() and (shown[:, 6] == 0).all(), "the gaps are transparent"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3", "4"]


def test_values_beyond_the_range_are_clipped() -> None:
    images = np.array([-1.0, 2.0], np.float32).reshape(1, 2, 1, 1, 1) * np.ones((1, 2, 2, 2, 1), np.float32)
    shown = np.asarray(image_strips(images).axes[0].images[0].get_array())
    assert shown.min() == 0 and shown.max() == 1


def test_arrays_that_are_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 4\)"):
        image_strips(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="1 or 3"):
        image_strips(np.zeros((2, 3, 4, 4, 2)))


def test_a_panel_for_each_sensor_and_a_curve_for_each_sequence() -> None:
    values = np.random.default_rng(0).normal(size=(3, 7, 2))
    panels = sensor_curves(values).axes
    assert [len(axes.lines) for axes in panels] == [3, 3]
    np.testing.assert_array_equal(panels[1].lines[2].get_ydata(), values[2, :, 1])
    assert len(sensor_curves(np.zeros((1, 3, 40))).axes) == MOST_CURVES
    assert to_png(sensor_curves(values), dpi=30).startswith(b"\x89PNG")
