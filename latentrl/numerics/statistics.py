"""Small-sample statistics over seeds: intervals and exact tests that assume no distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_EXACT = 20
"""Pairs up to which all sign flips are enumerated: 2^20 of them take a fraction of a second."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval, in the units of the values."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Whether paired differences are positive in the mean.

    Attributes:
        pairs: how many.
        difference: their mean and its bootstrap interval.
        p: of :func:`sign_flip_test`.
    """

    pairs: int
    difference: Interval
    p: float

    @property
    def smallest_p(self) -> float:
        """The smallest p that so few pairs can give: 1/8 for three, 1/32 for five."""
        return 0.5**self.pairs


def bootstrap_interval(values: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The percentile bootstrap of a mean (Efron and Tibshirani 1993, 13.3).

    With three values it spans nearly from the smallest to the largest: few seeds give wide intervals, as they should,
    but still too narrow ones on average. A single value has no interval: its limits are NaN.

    Args:
        values: ``[N]``, one per seed.
        confidence: of the interval.
        resamples: bootstrap samples.
        seed: of the resampling, so that the same values always give the same interval.

    Raises:
        ValueError: no values, or a confidence outside (0, 1).
    """
    sample = _vector(values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence}")
    mean = float(sample.mean())
    if len(sample) == 1:
        return Interval(mean, float("nan"), float("nan"))
    index = np.random.default_rng(seed).integers(len(sample), size=(resamples, len(sample)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(sample[index].mean(1), (tail, 1 - tail))
    return Interval(mean, float(low), float(high))


def nested_interval(
    groups: Sequence[ArrayLike], confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """The percentile bootstrap of the mean of group means, groups resampled first and then values within each.

    For episodes of several trainings: episodes of one training are alike, so that their number alone says little of the
    next training (Davison and Hinkley 1997, 3.8). Of one group it is :func:`bootstrap_interval`, and says nothing of
    another group.

    Args:
        groups: of each group its values ``[N]``.
        confidence: of the interval.
        resamples: bootstrap samples.
        seed: of the resampling.

    Raises:
        ValueError: no groups, a group of no values, or a confidence outside (0, 1).
    """
    samples = [_vector(values) for values in groups]
    if not samples:
        raise ValueError("give one group of values or more")
    if len(samples) == 1:
        return bootstrap_interval(samples[0], confidence, resamples, seed)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence}")
    rng = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for _ in samples:
        chosen = rng.integers(len(samples), size=resamples)
        for number, sample in enumerate(samples):
            drawn = chosen == number
            index = rng.integers(len(sample), size=(int(drawn.sum()), len(sample)))
            means[drawn] += sample[index].mean(1) / len(samples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(np.mean([sample.mean() for sample in samples])), float(low), float(high))


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a success rate (Wilson, 1927); it is valid at 0 and at all successes.

    >>> [round(end, 3) for end in wilson_interval(50, 50)]
    [0.929, 1.0]

    Raises:
        ValueError: no episodes, or more successes than episodes.
    """
    if not 0 <= successes <= episodes or episodes < 1:
        raise ValueError(f"cannot have {successes} successes in {episodes} episodes")
    z = 1.959963984540054
    rate, shrink = successes / episodes, 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def sign_flip_test(differences: ArrayLike) -> float:
    """Exact one-sided p of a positive mean: the share of all 2^N sign flips whose mean is at least as large.

    The permutation test of paired samples (Fisher 1935): if the two members of a pair are exchangeable, every sign is
    as likely as its opposite. The smallest possible p is 2^-N.

    >>> sign_flip_test([0.1, 0.2, 0.3])
    0.125

    Args:
        differences: ``[N]`` paired differences, N <= 20.

    Raises:
        ValueError: none, or more than 20 of them.
    """
    sample = _vector(differences)
    if len(sample) > MOST_EXACT:
        raise ValueError(f"the exact test enumerates up to {MOST_EXACT} pairs; got {len(sample)}")
    if not np.isfinite(sample).all():
        return float("nan")
    sums = np.zeros(1)
    for value in sample:
        sums = np.concatenate((sums + value, sums - value))
    # The observed signs are one of the flips, and rounding must not lose them.
    slack = 1e-12 * np.abs(sample).sum()
    return float((sums >= sums[0] - slack).mean())


def paired_test(differences: ArrayLike) -> PairedTest:
    """Interval and exact p of paired differences ``[N]`` that are claimed to be positive."""
    sample = _vector(differences)
    return PairedTest(len(sample), bootstrap_interval(sample), sign_flip_test(sample))


def _vector(values: ArrayLike) -> NDArray[np.float64]:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample):
        raise ValueError(f"give a vector of one value or more; got shape {sample.shape}")
    return sample
