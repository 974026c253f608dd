"""Pictures of an arm: that they show the arrays they were given, and refuse what they cannot show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentrl.figures.latents import arm_latents
from latentrl.figures.predictions import joint_predictions
from latentrl.figures.theme import to_png


@pytest.mark.parametrize("size", [2, 3, 5])
def test_latents_are_drawn_in_as_many_dimensions_as_can_be_seen(size: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, size)) * (np.arange(size) + 1)
    shoulder, wrist = rng.uniform(-7, 7, 40), rng.uniform(-2, 2, 40)
    figure: Any = arm_latents(points, shoulder, wrist)
    assert [axes.name for axes in figure.axes] == ["rectilinear" if size == 2 else "3d"] * 2
    first, second = (np.asarray(axes.collections[0].get_array()) for axes in figure.axes)
    np.testing.assert_allclose(np.exp(1j * first), np.exp(1j * shoulder))
    assert np.abs(first).max() <= np.pi
    np.testing.assert_allclose(second, wrist)
    if size == 2:
        np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), points)
    assert to_png(figure, dpi=30).startswith(b"\x89PNG")


def test_latents_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(5, 1\)"):
        arm_latents(np.zeros((5, 1)), np.zeros(5), np.zeros(5))
    with pytest.raises(ValueError, match="wrist"):
        arm_latents(np.zeros((5, 2)), np.zeros(5), np.zeros(4))


def test_predictions_show_each_joint_of_each_sequence() -> None:
    true = np.random.default_rng(0).normal(size=(3, 8, 2))
    figure: Any = joint_predictions(true, true + 1, control_step=0.04)
    assert len(figure.axes) == 6
    for place, axes in enumerate(figure.axes):
        sequence, joint = place % 3, place // 3
        happened, foreseen = axes.lines
        np.testing.assert_allclose(happened.get_ydata(), true[sequence, :, joint])
        np.testing.assert_allclose(foreseen.get_ydata(), true[sequence, :, joint] + 1)
        np.testing.assert_allclose(happened.get_xdata(), 0.04 * np.arange(8))
    assert to_png(figure, dpi=30).startswith(b"\x89PNG")


def test_predictions_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 8, 3\)"):
        joint_predictions(np.zeros((2, 8, 3)), np.zeros((2, 8, 3)), 0.04)
    with pytest.raises(ValueError, match="one shape"):
        joint_predictions(np.zeros((2, 8, 2)), np.zeros((2, 7, 2)), 0.04)
