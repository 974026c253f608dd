"""Functions of eight numbers at once against NumPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba", reason="pip install 'latentrl[fast]'")

from numba import njit

from latentrl.inference.backends.numba_kernels.lanes import LANES, exponential, logarithm, rows_of


@njit(error_model="numpy")
def exponentials(numbers, out):
    for k in range(len(numbers)):
        rows_of(out)[k] = exponential(rows_of(numbers)[k])


@njit(error_model="numpy")
def logarithms(numbers, out):
    for k in range(len(numbers)):
        rows_of(out)[k] = logarithm(rows_of(numbers)[k])


def units_apart(found: np.ndarray, known: np.ndarray) -> float:
    """The largest distance in units of the last place."""
    return float(np.max(np.abs(found - known) / np.spacing(np.abs(known))))


def test_exponentials_to_the_last_bits() -> None:
    numbers = np.random.default_rng(0).uniform(-708, 709, (4000, LANES))
    numbers[:1000] *= 1e-3
    numbers[0] = (0.0, -0.0, 1e-300, -1e-17, 0.34657359, -0.34657360, 709.0, -707.99)
    out = np.empty_like(numbers)
    exponentials(numbers, out)
    assert units_apart(out, np.exp(numbers)) <= 2
    assert (out[0, :4] == 1).all()


def test_logarithms_to_the_last_bits() -> None:
    rng = np.random.default_rng(0)
    numbers = np.exp(rng.uniform(-740, 709, (4000, LANES)))
    numbers[:1000] = rng.uniform(0.5, 2, (1000, LANES))
    numbers[0] = (1.0, 2.0, 0.5, 5e-324, 1e-310, 1.7e308, math.nextafter(1, 0), math.nextafter(1, 2))
    out = np.empty_like(numbers)
    logarithms(numbers, out)
    assert out[0, 0] == 0
    assert units_apart(out.ravel()[1:], np.log(numbers).ravel()[1:]) <= 2


def test_what_is_no_usual_number() -> None:
    numbers = np.array([[math.nan, math.inf, -math.inf, -1.0, 0.0, -0.0, -1000.0, -5e-324]])
    out = np.empty_like(numbers)
    logarithms(numbers, out)
    nan, inf = math.nan, math.inf
    np.testing.assert_array_equal(out[0], [nan, inf, nan, nan, -inf, -inf, nan, nan])
    exponentials(np.array([[math.nan, -math.inf, -800.0, -708.0, 1.0, 0.0, -1.0, math.nan]]), out)
    assert np.isnan(out[0, [0, 7]]).all() and (out[0, 1:4] == out[0, 3]).all() and 0 < out[0, 3] < 1e-307
