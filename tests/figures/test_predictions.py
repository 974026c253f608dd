"""True and predicted: that strips and curves show the arrays they were given, and refuse what they cannot show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentrl.figures.predictions import prediction_strips, sensor_predictions
from latentrl.figures.theme import to_png

JOINTS = ("shoulder, rad", "wrist, rad")


def test_strips_show_each_image_in_its_place() -> None:
    true = np.zeros((1, 3, 4, 4))
    predicted = np.zeros_like(true)
    true[0, 1] = 0.5
    predicted[0, 2] = 1.0
    upper, lower = (np.asarray(axes.images[0].get_array()) for axes in prediction_strips(true, predicted).axes)
    assert upper.shape == (4, 3 * 4 + 2)
    assert (upper[:, 5:9] == 0.5).all() and np.nansum(upper) == 0.5 * 16
    assert (lower[:, 10:14] == 1.0).all() and np.nansum(lower) == 16


def test_strips_show_colours_and_may_leave_images_out() -> None:
    true = np.random.default_rng(0).uniform(size=(1, 7, 4, 4, 3))
    upper = prediction_strips(true, true[::-1], every=3).axes[0]
    shown = np.asarray(upper.images[0].get_array())
    assert shown.shape == (4, 3 * 4 + 2, 4)
    np.testing.assert_allclose(shown[:, 5:9, :3], true[0, 3])
    assert (shown[:, 4, 3] == 0).all() and (shown[:, 5:9, 3] == 1).all(), "gaps let the page through"
    lower = prediction_strips(true, true, every=3).axes[1]
    assert [tick.get_text() for tick in lower.get_xticklabels()] == ["1", "4", "7"]


def test_strips_refuse_unequal_shapes() -> None:
    with pytest.raises(ValueError, match="one shape"):
        prediction_strips(np.zeros((2, 3, 4, 4)), np.zeros((2, 2, 4, 4)))


@pytest.mark.parametrize("names", [JOINTS, ("position, m",), ("a", "b", "c")])
def test_predictions_show_each_sensor_of_each_sequence(names: tuple[str, ...]) -> None:
    true = np.random.default_rng(0).normal(size=(3, 8, len(names)))
    figure: Any = sensor_predictions(true, true + 1, names, control_step=0.04)
    assert len(figure.axes) == 3 * len(names)
    for place, axes in enumerate(figure.axes):
        sequence, sensor = place % 3, place // 3
        happened, foreseen = axes.lines
        np.testing.assert_allclose(happened.get_ydata(), true[sequence, :, sensor])
        np.testing.assert_allclose(foreseen.get_ydata(), true[sequence, :, sensor] + 1)
        np.testing.assert_allclose(happened.get_xdata(), 0.04 * np.arange(8))
        assert axes.get_title("left") == (names[sensor] if sequence == 0 else "")
    assert to_png(figure, dpi=30).startswith(b"\x89PNG")


def test_predictions_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 8, 3\).*2 names"):
        sensor_predictions(np.zeros((2, 8, 3)), np.zeros((2, 8, 3)), JOINTS, 0.04)
    with pytest.raises(ValueError, match="one shape"):
        sensor_predictions(np.zeros((2, 8, 2)), np.zeros((2, 7, 2)), JOINTS, 0.04)
