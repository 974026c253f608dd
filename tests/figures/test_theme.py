"""The pictures: that they show the arrays they were given, and refuse what they cannot show."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentrl.figures.colours import cyclic, diverging
from latentrl.figures.latents import latent_barrel
from latentrl.figures.predictions import prediction_strips
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


def test_barrel_draws_every_point_twice_on_a_transparent_page() -> None:
    generator = np.random.default_rng(0)
    latents, values = generator.normal(size=(50, 3)), generator.normal(size=50)
    figure = latent_barrel(latents, values, values)
    assert [np.shape(axes.collections[0].get_offsets()) for axes in figure.axes] == [(50, 2), (50, 2)]
    image = Image.open(io.BytesIO(to_png(figure, dpi=40)))
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_barrel_refuses_another_latent_size() -> None:
    with pytest.raises(ValueError, match=r"\[N, 3\]"):
        latent_barrel(np.zeros((5, 4)), np.zeros(5), np.zeros(5))
