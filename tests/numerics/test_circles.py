"""An angle that is told by points in a plane, against cases whose error is known."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.numerics.circles import circle_centre, polar_angle_error

ANGLE = np.linspace(0, 2 * np.pi, 400, endpoint=False)


def circle(angle: np.ndarray, radius: float = 0.7, turned: float = 0.4, mirrored: bool = False) -> np.ndarray:
    place = (-angle if mirrored else angle) + turned
    return np.array([3.0, -5.0]) + radius * np.column_stack((np.cos(place), np.sin(place)))


@pytest.mark.parametrize("turned", [0.0, 3.0, -2.0])
@pytest.mark.parametrize("mirrored", [True, False])
def test_a_circle_anywhere_tells_the_angle_exactly(turned: float, mirrored: bool) -> None:
    points = circle(ANGLE, turned=turned, mirrored=mirrored)
    np.testing.assert_allclose(circle_centre(points), [3.0, -5.0], atol=1e-9)
    assert polar_angle_error(points, ANGLE) < 1e-9


def test_points_that_know_nothing_are_a_quarter_of_a_turn_off() -> None:
    points = np.random.default_rng(0).normal(size=(20_000, 2))
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, 20_000)
    assert polar_angle_error(points, angle) == pytest.approx(np.pi / 2, rel=0.03)


def test_an_uneven_circle_is_off_by_its_unevenness() -> None:
    """The polar angle is a + 0.3 sin(2 a), whose mean absolute deviation from a is 0.3 times 2 / pi."""
    assert polar_angle_error(circle(ANGLE + 0.3 * np.sin(2 * ANGLE)), ANGLE) == pytest.approx(0.6 / np.pi, rel=0.1)


def test_two_angles_at_one_place_are_told_apart_by_nobody() -> None:
    assert polar_angle_error(circle(2 * ANGLE), ANGLE) > 0.7
