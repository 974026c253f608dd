"""Sigma waits for the dynamics: what is compared with what."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.training.sharpening import SMOOTHING, Sharpening


def seen(sharpening: Sharpening, rates: list[float], released: bool) -> list[bool]:
    return [bool(sharpening.see(torch.full((3,), rate), torch.tensor(released))) for rate in rates]


def test_it_compares_smoothed_rates_with_the_one_before_the_release() -> None:
    sharpening = Sharpening(2.0)
    assert all(seen(sharpening, [8.0, 3.0, 3.0], released=False)), "held by others, whatever the rate"
    expected = SMOOTHING * (SMOOTHING * 8.0 + (1 - SMOOTHING) * 3.0) + (1 - SMOOTHING) * 3.0
    assert float(sharpening.held) == pytest.approx(expected) == float(sharpening.rate)
    few = seen(sharpening, [100.0] * 20, released=True)
    assert float(sharpening.held) == pytest.approx(expected), "it stays"
    smoothed, may = expected, []
    for _ in range(20):
        smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * 100.0
        may.append(smoothed <= 2 * expected)
    assert few == may and True in few and False in few
    assert seen(sharpening, [0.0] * 300, released=True)[-1], "and falls again once the rate has"


def test_without_a_limit_or_a_time_of_being_held_it_never_waits() -> None:
    assert all(seen(Sharpening(0.0), [1.0], False) + seen(Sharpening(0.0), [1e9, math.inf], True))
    assert all(seen(Sharpening(2.0), [1.0, 1e9], released=True))


def test_it_goes_on_where_it_was() -> None:
    one = Sharpening(2.0)
    seen(one, [1.0, 2.0], False)
    seen(one, [3.0], True)
    other = Sharpening(2.0, **one.state())
    assert other == one
    assert seen(one, [50.0] * 9, True) == seen(other, [50.0] * 9, True) and other == one


def test_rates_below_zero_may_grow_as_much_and_an_infinite_one_is_passed_over() -> None:
    below = Sharpening(2.0)
    seen(below, [-1.0], False)
    assert all(seen(below, [-1.0, -0.5], True)) and not seen(below, [50.0] * 9, True)[-1]
    one = Sharpening(2.0)
    seen(one, [1.0, math.inf, math.nan], False)
    assert float(one.rate) == 1.0 and all(seen(one, [math.inf, 1.0], True))
