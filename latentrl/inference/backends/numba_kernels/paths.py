"""Trajectories from the joint smoothing distribution, backwards in time, for eight sequences at once.

The arithmetic is that of :func:`latentrl.inference.kalman.sample_paths`. Backwards, the gain counts where it moves the
mean alone: the Joseph form of ``Cov(z_t | z_{t+1}, a_1:t)`` does not change with it to first order, for it is smallest
there.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import LANES, Rows, apart, part, rows_of, splat
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    factor_adjoint,
    factorise,
    fill,
    gather,
    gather_gradient,
    half_log_det,
    invert,
    one_minus,
    product,
    product_t,
    scatter,
    symmetrise,
    t_product,
)

HALF_LOG_2PI = 0.9189385332046727


@part
def gain_of(gain: Rows, precision: Rows, covariance: Rows, ahead: Rows, transition: Rows, n: int, work: Rows) -> None:
    """G = P F' (P-)^-1, Eq. 2.26, and (P-)^-1; ``work`` of 2 n²."""
    apart()
    invert(precision, ahead, n, work)
    product_t(work, covariance, transition, n, n, n, False, 1.0)
    product(gain, work, precision, n, n, n, False, 1.0)


@part
def remainder_of(
    out: Rows, shrink: Rows, gain: Rows, covariance: Rows, transition: Rows, noise: Rows, n: int, work: Rows
) -> None:
    """(I - G F) P (I - G F)' + G Q G', symmetrised, and I - G F; ``work`` of n²."""
    apart()
    product(shrink, gain, transition, n, n, n, False, 1.0)
    one_minus(shrink, n)
    product(work, shrink, covariance, n, n, n, False, 1.0)
    product_t(out, work, shrink, n, n, n, False, 1.0)
    product(work, gain, noise, n, n, n, False, 1.0)
    product_t(out, work, gain, n, n, n, True, 1.0)
    symmetrise(out, n)


@part
def remainder_back(
    to_covariance: Rows,
    to_transition: Rows,
    to_noise: Rows,
    grad: Rows,
    shrink: Rows,
    gain: Rows,
    covariance: Rows,
    n: int,
    work: Rows,
) -> None:
    """The gradients of P, F and Q, set, from that of what is left, which is symmetric; ``work`` of 2 n²."""
    apart()
    left, right = work, work + n * n
    t_product(left, shrink, grad, n, n, n, False, 1.0)
    product(to_covariance, left, shrink, n, n, n, False, 1.0)
    t_product(left, gain, grad, n, n, n, False, 1.0)
    product(to_noise, left, gain, n, n, n, False, 1.0)
    product(right, shrink, covariance, n, n, n, False, 1.0)
    product(to_transition, left, right, n, n, n, False, -2.0)


@part
def gain_back(
    to_covariance: Rows,
    to_ahead: Rows,
    to_transition: Rows,
    grad: Rows,
    gain: Rows,
    precision: Rows,
    covariance: Rows,
    transition: Rows,
    n: int,
    work: Rows,
) -> None:
    """The gradients of P and F, added to, and of P-, set, from that of G; ``work`` of n²."""
    apart()
    product(work, grad, precision, n, n, n, False, 1.0)
    product(to_covariance, work, transition, n, n, n, True, 1.0)
    t_product(to_transition, work, covariance, n, n, n, True, 1.0)
    t_product(to_ahead, gain, work, n, n, n, False, -1.0)


def paths_forward(
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    transitions: Any,
    noises: Any,
    draws: Any,
    states: Any,
    log_probs: Any,
    gains: Any,
    precisions: Any,
    factors: Any,
    scratch: Any,
) -> None:
    """Everything from ``states`` on is set; ``draws [B, T, Dz]`` are standard normal, ``log_probs [B, 1, 1]``."""
    batch, length, n = filtered_mean.shape
    square = n * n
    mean = rows_of(scratch)
    state, draw, log_prob = mean + n, mean + 2 * n, mean + 3 * n
    covariance = log_prob + 1
    ahead, transition, noise = covariance + square, covariance + 2 * square, covariance + 3 * square
    left, shrink, work = covariance + 4 * square, covariance + 5 * square, covariance + 6 * square
    for first in range(0, batch, LANES):
        log_prob[0] = splat(0.0)
        for t in range(length - 1, -1, -1):
            step = (first // LANES * length + t) * square
            gain, precision, factor = rows_of(gains) + step, rows_of(precisions) + step, rows_of(factors) + step
            gather(mean, filtered_mean, first, t)
            gather(covariance, filtered_covariance, first, t)
            gather(draw, draws, first, t)
            if t + 1 == length:
                factorise(factor, covariance, n)
                copy(state, mean, n)
            else:
                gather(ahead, predicted_covariance, first, t + 1)
                gather(transition, transitions, first, t)
                gather(noise, noises, first, t)
                gain_of(gain, precision, covariance, ahead, transition, n, work)
                remainder_of(left, shrink, gain, covariance, transition, noise, n, work)
                factorise(factor, left, n)
                gather(work, predicted_mean, first, t + 1)
                for i in range(n):
                    work[i] = state[i] - work[i]
                product(mean, gain, work, n, n, 1, True, 1.0)
                copy(state, mean, n)
            product(state, factor, draw, n, n, 1, True, 1.0)
            squares = splat(0.0)
            for i in range(n):
                squares = squares + draw[i] * draw[i]
            log_prob[0] = log_prob[0] - (0.5 * squares + (n * HALF_LOG_2PI + half_log_det(factor, n)))
            scatter(states, first, t, state)
        scatter(log_probs, first, 0, log_prob)


def paths_backward(
    to_states: Any,
    to_log_probs: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    transitions: Any,
    draws: Any,
    states: Any,
    gains: Any,
    precisions: Any,
    factors: Any,
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_predicted_mean: Any,
    to_predicted_covariance: Any,
    to_transitions: Any,
    to_noises: Any,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`paths_forward` has set to those of what it was given; everything from
    ``to_filtered_mean`` on is set."""
    batch, length, n = states.shape
    square = n * n
    to_state = rows_of(scratch)
    found, draw, shifted, to_log_prob = to_state + n, to_state + 2 * n, to_state + 3 * n, to_state + 4 * n
    covariance = to_log_prob + 1
    transition, grad, to_covariance = covariance + square, covariance + 2 * square, covariance + 3 * square
    to_ahead, to_transition, to_noise = covariance + 4 * square, covariance + 5 * square, covariance + 6 * square
    left, shrink, work = covariance + 7 * square, covariance + 8 * square, covariance + 9 * square
    for first in range(0, batch, LANES):
        gather_gradient(to_log_prob, to_log_probs, first, 0)
        fill(to_state, n, 0.0)
        fill(to_ahead, square, 0.0)
        scatter(to_predicted_covariance, first, 0, to_ahead)
        scatter(to_predicted_mean, first, 0, to_ahead)
        for t in range(length):
            step = (first // LANES * length + t) * square
            gain, precision, factor = rows_of(gains) + step, rows_of(precisions) + step, rows_of(factors) + step
            gather_gradient(found, to_states, first, t)
            add(to_state, found, n)
            gather(draw, draws, first, t)
            for r in range(n):
                for c in range(n):
                    grad[r * n + c] = to_state[r] * draw[c] if c <= r else splat(0.0)
                grad[r * n + r] = grad[r * n + r] - to_log_prob[0] / factor[r * n + r]
            factor_adjoint(left, factor, grad, n, work)
            scatter(to_filtered_mean, first, t, to_state)
            if t + 1 == length:
                scatter(to_filtered_covariance, first, t, left)
            else:
                gather(covariance, filtered_covariance, first, t)
                gather(transition, transitions, first, t)
                gather(shifted, states, first, t + 1)
                gather(found, predicted_mean, first, t + 1)
                for i in range(n):
                    shifted[i] = shifted[i] - found[i]
                product(shrink, gain, transition, n, n, n, False, 1.0)
                one_minus(shrink, n)
                remainder_back(to_covariance, to_transition, to_noise, left, shrink, gain, covariance, n, work)
                product_t(grad, to_state, shifted, n, 1, n, False, 1.0)
                gain_back(
                    to_covariance, to_ahead, to_transition, grad, gain, precision, covariance, transition, n, work
                )
                scatter(to_filtered_covariance, first, t, to_covariance)
                scatter(to_transitions, first, t, to_transition)
                scatter(to_noises, first, t, to_noise)
                scatter(to_predicted_covariance, first, t + 1, to_ahead)
                t_product(found, gain, to_state, n, n, 1, False, 1.0)
                copy(to_state, found, n)
                for i in range(n):
                    found[i] = -1.0 * found[i]
                scatter(to_predicted_mean, first, t + 1, found)
