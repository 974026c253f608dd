"""Latent states in plane and space: that each panel shows its points in its colours, and other shapes are refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentrl.envs.coordinates import Coordinate
from latentrl.figures.latents import Colouring, latents
from latentrl.figures.theme import to_png


@pytest.mark.parametrize("size", [2, 3, 5])
def test_latents_are_drawn_in_as_many_dimensions_as_can_be_seen(size: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, size)) * (np.arange(size) + 1)
    shoulder, wrist = rng.uniform(-7, 7, 40), rng.uniform(-2, 2, 40)
    figure: Any = latents(points, [Colouring("by shoulder", shoulder, "angle"), Colouring("by wrist", wrist, "line")])
    assert [axes.name for axes in figure.axes] == ["rectilinear" if size == 2 else "3d"] * 2
    assert [axes.get_title("left" if size == 2 else "center") for axes in figure.axes] == ["by shoulder", "by wrist"]
    first, second = (np.asarray(axes.collections[0].get_array()) for axes in figure.axes)
    np.testing.assert_allclose(np.exp(1j * first), np.exp(1j * shoulder))
    assert np.abs(first).max() <= np.pi
    np.testing.assert_allclose(second, wrist)
    assert [np.shape(axes.collections[0].get_offsets()) for axes in figure.axes] == [(40, 2), (40, 2)]
    if size == 2:
        np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), points)
    assert to_png(figure, dpi=30).startswith(b"\x89PNG")


def test_colours_close_for_angles_and_diverge_from_zero_for_the_rest() -> None:
    values = np.concatenate((np.linspace(-2, 3, 199), [100.0]))
    points = np.random.default_rng(0).normal(size=(200, 2))
    figure: Any = latents(points, [Colouring(kind, values, kind) for kind in ("angle", "line", "velocity")])
    scattered = [axes.collections[0] for axes in figure.axes]
    assert [one.get_cmap().name for one in scattered] == ["cyclic", "diverging", "diverging"]
    limits = [one.get_clim() for one in scattered]
    assert limits[0] == (-np.pi, np.pi) and limits[1] == (-100, 100)
    assert limits[2][0] == -limits[2][1] and 2 < limits[2][1] < 5, "the fastest are left out"


def test_a_coordinate_names_and_colours_its_panel() -> None:
    values = np.random.default_rng(0).normal(size=(5, 4))
    found = Colouring.by(Coordinate("wrist_velocity", "velocity", "velocities", 1), values)
    assert (found.title, found.kind) == ("coloured by wrist velocity", "velocity")
    np.testing.assert_array_equal(found.values, values.ravel())


@pytest.mark.parametrize("count", [1, 2, 5])
def test_there_are_as_many_panels_as_colourings(count: int) -> None:
    values = np.zeros(9)
    figure = latents(np.random.default_rng(0).normal(size=(9, 3)), [Colouring("x", values, "line")] * count)
    assert len(figure.axes) == count


def test_the_page_shows_through() -> None:
    values = np.random.default_rng(0).normal(size=50)
    points = np.random.default_rng(1).normal(size=(50, 3))
    image = Image.open(io.BytesIO(to_png(latents(points, [Colouring("x", values, "velocity")]), dpi=40)))
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_latents_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(5, 1\)"):
        latents(np.zeros((5, 1)), [Colouring("x", np.zeros(5), "angle")])
    with pytest.raises(ValueError, match="by wrist: 5 points"):
        latents(np.zeros((5, 2)), [Colouring("x", np.zeros(5), "line"), Colouring("by wrist", np.zeros(4), "line")])
    with pytest.raises(ValueError, match="what to colour"):
        latents(np.zeros((5, 2)), [])
