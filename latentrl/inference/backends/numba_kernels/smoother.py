"""The Rauch-Tung-Striebel smoother, Eq. 2.26-2.28, for eight sequences at once.

The arithmetic is that of :func:`latentrl.inference.kalman.smooth_all`; of its derivative see
:mod:`latentrl.inference.backends.numba_kernels.paths`.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import LANES, rows_of
from latentrl.inference.backends.numba_kernels.paths import gain_back, gain_of, remainder_back, remainder_of
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    gather,
    gather_gradient,
    one_minus,
    product,
    product_t,
    scatter,
    symmetrise,
    t_product,
)


def smoother_forward(
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    transitions: Any,
    noises: Any,
    smoothed_mean: Any,
    smoothed_covariance: Any,
    gains: Any,
    precisions: Any,
    scratch: Any,
) -> None:
    """Everything from ``smoothed_mean`` on is set."""
    batch, length, n = filtered_mean.shape
    square = n * n
    mean = rows_of(scratch)
    smoothed, spare = mean + n, mean + 2 * n
    covariance = spare + n
    ahead, transition, noise = covariance + square, covariance + 2 * square, covariance + 3 * square
    left, shrink, spread, work = (
        covariance + 4 * square,
        covariance + 5 * square,
        covariance + 6 * square,
        covariance + 7 * square,
    )
    for first in range(0, batch, LANES):
        for t in range(length - 1, -1, -1):
            step = (first // LANES * length + t) * square
            gain, precision = rows_of(gains) + step, rows_of(precisions) + step
            gather(mean, filtered_mean, first, t)
            gather(covariance, filtered_covariance, first, t)
            if t + 1 == length:
                copy(smoothed, mean, n)
                copy(spread, covariance, square)
            else:
                gather(ahead, predicted_covariance, first, t + 1)
                gather(transition, transitions, first, t)
                gather(noise, noises, first, t)
                gain_of(gain, precision, covariance, ahead, transition, n, work)
                remainder_of(left, shrink, gain, covariance, transition, noise, n, work)
                gather(spare, predicted_mean, first, t + 1)
                for i in range(n):
                    spare[i] = smoothed[i] - spare[i]
                product(mean, gain, spare, n, n, 1, True, 1.0)
                copy(smoothed, mean, n)
                product(work, gain, spread, n, n, n, False, 1.0)
                product_t(left, work, gain, n, n, n, True, 1.0)
                copy(spread, left, square)
            symmetrise(spread, n)
            scatter(smoothed_mean, first, t, smoothed)
            scatter(smoothed_covariance, first, t, spread)


def smoother_backward(
    to_smoothed_mean: Any,
    to_smoothed_covariance: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    transitions: Any,
    smoothed_mean: Any,
    smoothed_covariance: Any,
    gains: Any,
    precisions: Any,
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_predicted_mean: Any,
    to_predicted_covariance: Any,
    to_transitions: Any,
    to_noises: Any,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`smoother_forward` has set to those of what it was given; everything from
    ``to_filtered_mean`` on is set."""
    batch, length, n = smoothed_mean.shape
    square = n * n
    to_mean = rows_of(scratch)
    found, shifted = to_mean + n, to_mean + 2 * n
    to_spread = shifted + n
    transition, grad, to_covariance = to_spread + square, to_spread + 2 * square, to_spread + 3 * square
    to_ahead, to_transition, to_noise = to_spread + 4 * square, to_spread + 5 * square, to_spread + 6 * square
    covariance, shrink, spread = to_spread + 7 * square, to_spread + 8 * square, to_spread + 9 * square
    work = to_spread + 10 * square
    for first in range(0, batch, LANES):
        fill(to_mean, n, 0.0)
        fill(to_spread, square, 0.0)
        fill(to_ahead, square, 0.0)
        scatter(to_predicted_covariance, first, 0, to_ahead)
        scatter(to_predicted_mean, first, 0, to_ahead)
        for t in range(length):
            step = (first // LANES * length + t) * square
            gain, precision = rows_of(gains) + step, rows_of(precisions) + step
            gather_gradient(found, to_smoothed_mean, first, t)
            add(to_mean, found, n)
            gather_gradient(work, to_smoothed_covariance, first, t)
            add(to_spread, work, square)
            symmetrise(to_spread, n)
            scatter(to_filtered_mean, first, t, to_mean)
            if t + 1 == length:
                scatter(to_filtered_covariance, first, t, to_spread)
            else:
                gather(covariance, filtered_covariance, first, t)
                gather(transition, transitions, first, t)
                gather(spread, smoothed_covariance, first, t + 1)
                gather(shifted, smoothed_mean, first, t + 1)
                gather(found, predicted_mean, first, t + 1)
                for i in range(n):
                    shifted[i] = shifted[i] - found[i]
                product(shrink, gain, transition, n, n, n, False, 1.0)
                one_minus(shrink, n)
                remainder_back(to_covariance, to_transition, to_noise, to_spread, shrink, gain, covariance, n, work)
                product(work, to_spread, gain, n, n, n, False, 2.0)
                product(grad, work, spread, n, n, n, False, 1.0)
                product_t(grad, to_mean, shifted, n, 1, n, True, 1.0)
                gain_back(
                    to_covariance, to_ahead, to_transition, grad, gain, precision, covariance, transition, n, work
                )
                scatter(to_filtered_covariance, first, t, to_covariance)
                scatter(to_transitions, first, t, to_transition)
                scatter(to_noises, first, t, to_noise)
                scatter(to_predicted_covariance, first, t + 1, to_ahead)
                t_product(found, gain, to_mean, n, n, 1, False, 1.0)
                copy(to_mean, found, n)
                for i in range(n):
                    found[i] = -1.0 * found[i]
                scatter(to_predicted_mean, first, t + 1, found)
                t_product(work, gain, to_spread, n, n, n, False, 1.0)
                product(to_spread, work, gain, n, n, n, False, 1.0)
