"""Trajectories from the joint smoothing distribution, backwards in time, for eight sequences at once.

The arithmetic is that of :func:`latentrl.inference.kalman.sample_paths`. Backwards, the gain counts where it moves the
mean alone: the Joseph form of ``Cov(z_t | z_{t+1}, a_1:t)`` does not change with it to first order, for it is smallest
there.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import LANES, Lanes, Rows, apart, part, rows_of, splat
from latentrl.inference.backends.numba_kernels.run import (
    gather_run,
    gather_steps,
    gather_steps_gradient,
    run_tape,
    scatter_run,
    scatter_steps,
)
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    factor_adjoint,
    factorise,
    fill,
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
    """``G = P F' (P-)^-1``, Eq. 2.26, and ``(P-)^-1``; ``work`` of 2 n²."""
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


@part
def draw(state: Rows, factor: Rows, covariance: Rows, normal: Rows, n: int) -> Lanes:
    """Add to the mean ``state`` what makes it a sample; set the Cholesky factor; returns minus the log density."""
    apart()
    factorise(factor, covariance, n)
    product(state, factor, normal, n, n, 1, True, 1.0)
    squares = splat(0.0)
    for i in range(n):
        squares = squares + normal[i] * normal[i]
    return 0.5 * squares + (n * HALF_LOG_2PI + half_log_det(factor, n))


@part
def draw_back(
    to_covariance: Rows, to_state: Rows, normal: Rows, factor: Rows, to_log_prob: Rows, n: int, work: Rows
) -> None:
    """The gradient of the covariance, set, from those of a sample and its log density; ``work`` of 4 n²."""
    apart()
    for r in range(n):
        for c in range(n):
            work[r * n + c] = to_state[r] * normal[c] if c <= r else splat(0.0)
        work[r * n + r] = work[r * n + r] - to_log_prob[0] / factor[r * n + r]
    factor_adjoint(to_covariance, factor, work, n, work + n * n)


@part
def path_tape(start: Any, length: int, n: int) -> Any:
    """Where states, normal numbers, gains, (P-)^-1 and factors lie, and what comes after them."""
    draws = start + length * n
    gains = draws + length * n
    precisions = gains + length * n * n
    factors = precisions + length * n * n
    return start, draws, gains, precisions, factors, factors + length * n * n


@part
def path_block(log_prob: Rows, tape: Rows, run: Rows, length: int, n: int, work: Rows) -> None:
    """States on the tape, where the normal numbers are, and their log density, of eight sequences.

    ``work`` is of 8 n².
    """
    apart()
    square = n * n
    mean, covariance, predicted, expected, transitions, noises, _ = run_tape(run, length, n)
    states, draws, gains, precisions, factors, _ = path_tape(tape, length, n)
    left, shrink, spare = work, work + square, work + 2 * square
    log_prob[0] = splat(0.0)
    for t in range(length - 1, -1, -1):
        here = states + t * n
        copy(here, mean + t * n, n)
        remainder = covariance + t * square
        if t + 1 < length:
            gain, around, transition = gains + t * square, covariance + t * square, transitions + t * square
            gain_of(gain, precisions + t * square, around, expected + (t + 1) * square, transition, n, spare)
            remainder_of(left, shrink, gain, around, transition, noises + t * square, n, spare)
            for i in range(n):
                spare[i] = here[n + i] - predicted[(t + 1) * n + i]
            product(here, gain, spare, n, n, 1, True, 1.0)
            remainder = left
        log_prob[0] = log_prob[0] - draw(here, factors + t * square, remainder, draws + t * n, n)


@part
def path_block_back(
    to_run: Rows, to_states: Rows, to_log_prob: Rows, tape: Rows, run: Rows, length: int, n: int, work: Rows
) -> None:
    """The adjoint of :func:`path_block`: ``to_run`` is set; ``to_states`` become those of the means m_t."""
    apart()
    square = n * n
    _, covariance, predicted, _, transitions, _, _ = run_tape(run, length, n)
    states, draws, gains, precisions, factors, _ = path_tape(tape, length, n)
    to_mean, to_covariance, to_predicted, to_expected, to_transitions, to_noises, _ = run_tape(to_run, length, n)
    grad, left, shrink = work, work + square, work + 2 * square
    shifted, spare = work + 3 * square, work + (3 * square + n)
    fill(to_predicted, n, 0.0)
    fill(to_expected, square, 0.0)
    for t in range(length):
        to_state, step = to_states + t * n, t * square
        last = t + 1 == length
        draw_back(
            to_covariance + step if last else left, to_state, draws + t * n, factors + step, to_log_prob, n, spare
        )
        copy(to_mean + t * n, to_state, n)
        if not last:
            gain, around, transition = gains + step, covariance + step, transitions + step
            for i in range(n):
                shifted[i] = states[(t + 1) * n + i] - predicted[(t + 1) * n + i]
            product(shrink, gain, transition, n, n, n, False, 1.0)
            one_minus(shrink, n)
            remainder_back(
                to_covariance + step, to_transitions + step, to_noises + step, left, shrink, gain, around, n, spare
            )
            product_t(grad, to_state, shifted, n, 1, n, False, 1.0)
            gain_back(
                to_covariance + step, to_expected + (t + 1) * square, to_transitions + step,
                grad, gain, precisions + step, around, transition, n, spare,
            )  # fmt: skip
            t_product(spare, gain, to_state, n, n, 1, False, 1.0)
            for i in range(n):
                to_predicted[(t + 1) * n + i] = -1.0 * spare[i]
            add(to_states + (t + 1) * n, spare, n)


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
    tape: Any,
    scratch: Any,
) -> None:
    """Everything from ``states`` on is set; ``draws [B, T, Dz]`` are standard normal, ``log_probs [B, 1, 1]``."""
    batch, length, n = filtered_mean.shape
    log_prob = rows_of(scratch)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        own = run_tape(run, length, n)[6]
        gather_run(
            run, filtered_mean, filtered_covariance, predicted_mean, predicted_covariance, transitions, noises, first
        )
        gather_steps(path_tape(own, length, n)[1], draws, first)
        path_block(log_prob, own, run, length, n, log_prob + 1)
        scatter_steps(states, first, own)
        scatter(log_probs, first, 0, log_prob)


def paths_backward(
    to_states: Any,
    to_log_probs: Any,
    tape: Any,
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
    batch, length, n = to_states.shape
    to_log_prob = rows_of(scratch)
    given = to_log_prob + 1
    to_run = given + length * n
    work = run_tape(to_run, length, n)[6]
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        gather_gradient(to_log_prob, to_log_probs, first, 0)
        gather_steps_gradient(given, to_states, first)
        path_block_back(to_run, given, to_log_prob, run_tape(run, length, n)[6], run, length, n, work)
        scatter_run(
            to_filtered_mean, to_filtered_covariance, to_predicted_mean, to_predicted_covariance,
            to_transitions, to_noises, first, to_run,
        )  # fmt: skip
