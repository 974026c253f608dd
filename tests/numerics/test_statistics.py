"""Intervals against known cases, tests against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from latentrl.numerics.statistics import bootstrap_interval, nested_interval, paired_test, sign_flip_test


def test_the_interval_of_two_values_is_known_exactly() -> None:
    """Resampled means are 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4."""
    interval = bootstrap_interval([0.0, 1.0])
    assert (interval.mean, interval.low, interval.high) == (0.5, 0.0, 1.0)
    middle = bootstrap_interval([0.0, 1.0], confidence=0.4)
    assert (middle.low, middle.high) == (0.5, 0.5)


def test_the_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    interval, half = bootstrap_interval(values), 1.96 * values.std() / math.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_interval_repeats_and_depends_on_the_seed_alone() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, resamples=50) != bootstrap_interval(values, resamples=50, seed=1)


def test_one_value_has_no_interval() -> None:
    interval = bootstrap_interval([2.0])
    assert interval.mean == 2.0 and math.isnan(interval.low) and math.isnan(interval.high)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_sign_flips_are_those_of_an_enumeration(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.5, 1.0, count)
    observed = differences.mean()
    flips = [np.mean(np.array(signs) * differences) for signs in itertools.product((1, -1), repeat=count)]
    expected = sum(mean >= observed - 1e-12 for mean in flips) / 2**count
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_agreeing_signs_give_the_smallest_p() -> None:
    assert sign_flip_test([0.1, 3.0, 0.02]) == 1 / 8
    assert sign_flip_test([1.0] * 5) == 1 / 32 == paired_test([1.0] * 5).smallest_p
    assert sign_flip_test([-0.1, -3.0, -0.02]) == 1.0


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_test([0.0, 0.0, 0.0]) == 1.0


def test_the_test_holds_its_level() -> None:
    """Under symmetric noise p <= 1/16 in one of sixteen samples, within four standard errors."""
    noise = np.random.default_rng(0).normal(size=(4000, 6))
    share = np.mean([sign_flip_test(sample) <= 1 / 16 for sample in noise])
    assert abs(share - 1 / 16) < 4 * math.sqrt(15 / 256 / 4000)


def test_a_value_that_is_not_finite_is_not_hidden() -> None:
    assert math.isnan(sign_flip_test([1.0, math.nan]))
    assert math.isnan(paired_test([1.0, math.nan]).difference.mean)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_anything_but_a_vector_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="vector"):
        bootstrap_interval(values)
    with pytest.raises(ValueError, match="vector"):
        sign_flip_test(values)


def test_limits_are_said() -> None:
    with pytest.raises(ValueError, match="20"):
        sign_flip_test([1.0] * 21)
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval([1.0, 2.0], confidence=95)


def test_a_nested_interval_of_one_group_is_the_plain_one() -> None:
    values = np.random.default_rng(0).normal(size=20)
    assert nested_interval([values]) == bootstrap_interval(values)


def test_a_nested_interval_of_single_values_is_that_over_groups() -> None:
    """Nothing to resample within: every resample is one of the 3^3 means, with its own probability."""
    found = nested_interval([[0.0], [1.0], [5.0]], resamples=200_000)
    means = sorted(sum(one) / 3 for one in itertools.product((0.0, 1.0, 5.0), repeat=3))
    low, high = np.quantile(means, (0.025, 0.975), method="inverted_cdf")
    assert (found.mean, found.low, found.high) == (2.0, pytest.approx(low), pytest.approx(high))


def test_a_nested_interval_has_the_variance_of_both_levels() -> None:
    """The bootstrap variance in closed form: between group means over G, and within groups over G N."""
    rng = np.random.default_rng(1)
    groups = [rng.normal(mean, 2.0, 50) for mean in rng.normal(0.0, 1.0, 8)]
    between, within = np.var([group.mean() for group in groups]), np.mean([np.var(group) for group in groups])
    found = nested_interval(groups, resamples=40_000)
    expected = 2 * 1.96 * np.sqrt(between / 8 + within / (8 * 50))
    assert found.high - found.low == pytest.approx(expected, rel=0.05)
    flat = bootstrap_interval(np.concatenate(groups))
    assert found.high - found.low > 1.5 * (flat.high - flat.low), "episodes of one training are alike"


def test_a_nested_interval_needs_values() -> None:
    wrong: list[list[list[float]]] = [[], [[]], [[1.0], []]]
    for groups in wrong:
        with pytest.raises(ValueError, match="give"):
            nested_interval(groups)
