"""What every kind of figure keeps to. A check takes a drawing, so that those of others can be checked too."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from latentrl.figures import FIGURES, Drawing
from latentrl.figures.base import Arrays
from latentrl.figures.theme import DARK, LIGHT, Theme, to_png
from tests.drawn import drawn

SIZES = {"N": 40, "K": 3, "T": 12, "H": 8, "W": 8}
"""Of the letters in a shape; others are small."""
DPI = 40
Check = Callable[[Drawing], None]


def synthetic(drawing: Drawing, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Numbers in [0, 1) as the drawing wants them, rising along every array's first axis."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, wanted in drawing.wants.items():
        values = rng.uniform(size=[SIZES.get(size, 2) if isinstance(size, str) else size for size in wanted])
        arrays[name] = np.sort(values, axis=0) if values.ndim else values
    return arrays


def pixels(drawing: Drawing, arrays: Arrays, theme: Theme = LIGHT) -> NDArray[np.uint8]:
    """The figure ``[H, W, 4]``, to be compared with another."""
    return drawn(drawing(arrays, theme), DPI)


_DRAWN: dict[int, tuple[Drawing, NDArray[np.uint8]]] = {}
"""What :func:`first_pixels` has drawn, with the drawing, so that no other one is given its number."""


def first_pixels(drawing: Drawing) -> NDArray[np.uint8]:
    """The figure of the first synthetic numbers, drawn once for all checks that compare with it."""
    if id(drawing) not in _DRAWN:
        _DRAWN[id(drawing)] = drawing, pixels(drawing, synthetic(drawing))
    return _DRAWN[id(drawing)][1]


def check_it_is_not_blank_in_either_theme(drawing: Drawing) -> None:
    for theme in (LIGHT, DARK):
        shown = Image.open(io.BytesIO(to_png(drawing(synthetic(drawing), theme), DPI)))
        opaque = np.asarray(shown.convert("RGBA"))[..., 3]
        assert 0.002 < (opaque > 0).mean(), "hardly anything is drawn"
        assert opaque[0, 0] == 0, "the page does not show through"


def check_the_theme_shows(drawing: Drawing) -> None:
    assert not np.array_equal(first_pixels(drawing), pixels(drawing, synthetic(drawing), DARK))


def check_the_same_arrays_give_the_same_picture_and_others_another(drawing: Drawing) -> None:
    first = first_pixels(drawing)
    assert np.array_equal(first, pixels(drawing, synthetic(drawing)))
    other = pixels(drawing, synthetic(drawing, seed=1))
    assert first.shape != other.shape or not np.array_equal(first, other)


def check_the_arrays_stay_as_they_are(drawing: Drawing) -> None:
    arrays = synthetic(drawing)
    for array in arrays.values():
        array.setflags(write=False)
    drawn(drawing(arrays, LIGHT), DPI)
    for name, expected in synthetic(drawing).items():
        np.testing.assert_array_equal(arrays[name], expected)


def check_every_array_is_wanted(drawing: Drawing) -> None:
    """None can be left out, and each is seen: another one gives another picture."""
    arrays, other = synthetic(drawing), synthetic(drawing, seed=1)
    first = first_pixels(drawing)
    for name in drawing.wants:
        with pytest.raises(ValueError, match=name):
            drawing({key: array for key, array in arrays.items() if key != name})
        changed = pixels(drawing, {**arrays, name: other[name]})
        assert first.shape != changed.shape or not np.array_equal(first, changed), f"{name} is not drawn"


def check_other_shapes_are_refused(drawing: Drawing) -> None:
    arrays = synthetic(drawing)
    for name, array in arrays.items():
        with pytest.raises(ValueError, match=f"wants {name}"):
            drawing({**arrays, name: np.stack((array, array))})


CHECKS: tuple[Check, ...] = (
    check_it_is_not_blank_in_either_theme,
    check_the_theme_shows,
    check_the_same_arrays_give_the_same_picture_and_others_another,
    check_the_arrays_stay_as_they_are,
    check_every_array_is_wanted,
    check_other_shapes_are_refused,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str, check: Check) -> None:
    check(FIGURES[name])


def _line(arrays: Arrays, theme: Theme) -> Figure:
    figure = Figure()
    figure.subplots().plot(arrays["x"], arrays["y"], color=theme.ink)
    return figure


def _blank(arrays: Arrays, theme: Theme) -> Figure:
    return Figure()


def _colourless(arrays: Arrays, theme: Theme) -> Figure:
    return _line(arrays, LIGHT)


def _half(arrays: Arrays, theme: Theme) -> Figure:
    return _line({**arrays, "y": arrays["x"]}, theme)


def _spoilt(arrays: Arrays, theme: Theme) -> Figure:
    arrays["x"][:] = 0
    return _line(arrays, theme)


WANTS = {"x": ("N",), "y": ("N",)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_figure_of_ones_own_passes(check: Check) -> None:
    check(Drawing(WANTS, _line))


@pytest.mark.parametrize(
    ("draw", "check"),
    [
        (_blank, check_it_is_not_blank_in_either_theme),
        (_blank, check_the_same_arrays_give_the_same_picture_and_others_another),
        (_colourless, check_the_theme_shows),
        (_spoilt, check_the_arrays_stay_as_they_are),
        (_half, check_every_array_is_wanted),
    ],
)
def test_a_bad_figure_does_not(draw: Callable[[Arrays, Theme], Figure], check: Check) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(Drawing(WANTS, draw))


def test_a_letter_is_the_same_size_in_all_arrays() -> None:
    drawing = Drawing(WANTS, _line)
    with pytest.raises(ValueError, match=r"wants y \[N\], N = 3; got \(4,\)"):
        drawing({"x": np.zeros(3), "y": np.zeros(4)})
