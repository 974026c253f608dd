"""The pictures: that they show the arrays they were given, and refuse what they cannot show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.theme import to_png, wrap
from latentrl.figures.training_curves import rolling_median, training_curves


def _history(steps: int = 200) -> dict[str, np.ndarray]:
    step = np.arange(steps)
    constraint = 0.05 * np.exp(-step / 20) + 8e-4
    ones = np.ones(steps)
    return {
        "step": step,
        "constraint": constraint,
        "bound": 9e-4 * ones,
        "beta": np.linspace(1.0, 0.1, steps),
        "rate": 8 * ones,
        "distortion": -50 * ones,
    }


def test_cyclic_colours_close_and_keep_their_lightness() -> None:
    rgb = np.asarray(cyclic(64).colors)
    neighbours = np.linalg.norm(np.roll(rgb, -1, axis=0) - rgb, axis=1)
    assert neighbours.max() < 0.07  # the seam is no larger than any other step
    luminance = rgb**2.2 @ np.array([0.2126, 0.7152, 0.0722])
    assert luminance.max() < 1.6 * luminance.min()


def test_diverging_colours_meet_in_grey() -> None:
    rgb = np.asarray(diverging(65).colors)
    assert np.ptp(rgb[32]) < 0.01
    assert rgb[0, 2] > rgb[0, 0] + 0.2, "negative is blue"
    assert rgb[-1, 0] > rgb[-1, 2] + 0.2, "positive is orange"


@pytest.mark.parametrize("window", [1, 2, 5, 400])
def test_rolling_median_equals_a_loop(window: int) -> None:
    values = np.random.default_rng(0).normal(size=37)
    half = min(window, 37) // 2
    expected = [np.median(values[max(0, i - half) : i + half + 1]) for i in range(37)]
    np.testing.assert_allclose(rolling_median(values, window), expected)


def test_wrap() -> None:
    np.testing.assert_allclose(
        wrap(np.array([0.0, 3.5, -3.5, 7.0])), [0.0, 3.5 - 2 * np.pi, 2 * np.pi - 3.5, 7 - 2 * np.pi]
    )
    assert wrap(np.array([np.pi]))[0] == -np.pi


def test_training_curves_mark_the_step_that_meets_the_bound() -> None:
    history = _history()
    figure = training_curves(history)
    first = int(np.flatnonzero(history["constraint"] <= history["bound"])[0])
    for axes in figure.axes:
        verticals: list[Any] = [line for line in axes.lines if np.size(line.get_xdata()) == 2]
        assert [line.get_xdata()[0] for line in verticals] == [first]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log", "linear", "linear"]


def test_training_curves_name_what_is_missing() -> None:
    history = _history()
    del history["beta"]
    with pytest.raises(ValueError, match="beta"):
        training_curves(history)
    with pytest.raises(ValueError, match="rows"):
        training_curves({name: column[:0] for name, column in _history().items()})


def test_training_curves_of_a_single_step() -> None:
    assert to_png(training_curves(_history(1)), dpi=30).startswith(b"\x89PNG")
