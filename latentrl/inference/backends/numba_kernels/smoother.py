"""The Rauch-Tung-Striebel smoother, Eq. 2.26-2.28, for eight sequences at once.

The arithmetic is that of :func:`latentrl.inference.kalman.smooth_all`; of its derivative see
:mod:`latentrl.inference.backends.numba_kernels.paths`.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import LANES, Rows, apart, part, rows_of
from latentrl.inference.backends.numba_kernels.paths import gain_back, gain_of, remainder_back, remainder_of
from latentrl.inference.backends.numba_kernels.run import (
    gather_run,
    gather_steps_gradient,
    run_tape,
    scatter_run,
    scatter_steps,
)
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    one_minus,
    product,
    product_t,
    symmetrise,
    t_product,
)


@part
def smoother_tape(start: Any, length: int, n: int) -> Any:
    """Where smoothed means and covariances, gains and (P-)^-1 lie, and what comes after them."""
    covariance = start + length * n
    gains = covariance + length * n * n
    precisions = gains + length * n * n
    return start, covariance, gains, precisions, precisions + length * n * n


@part
def smoother_block(tape: Rows, run: Rows, length: int, n: int, work: Rows) -> None:
    """The smoothed beliefs of eight sequences, on the tape; ``work`` of 4 n²."""
    apart()
    square = n * n
    mean, covariance, predicted, expected, transitions, noises, _ = run_tape(run, length, n)
    smoothed, spreads, gains, precisions, _ = smoother_tape(tape, length, n)
    shrink, spare = work, work + square
    for t in range(length - 1, -1, -1):
        here, spread = smoothed + t * n, spreads + t * square
        copy(here, mean + t * n, n)
        if t + 1 == length:
            copy(spread, covariance + t * square, square)
        else:
            gain, around, transition = gains + t * square, covariance + t * square, transitions + t * square
            gain_of(gain, precisions + t * square, around, expected + (t + 1) * square, transition, n, spare)
            remainder_of(spread, shrink, gain, around, transition, noises + t * square, n, spare)
            for i in range(n):
                spare[i] = here[n + i] - predicted[(t + 1) * n + i]
            product(here, gain, spare, n, n, 1, True, 1.0)
            product(spare, gain, spreads + (t + 1) * square, n, n, n, False, 1.0)
            product_t(spread, spare, gain, n, n, n, True, 1.0)
        symmetrise(spread, n)


@part
def smoother_block_back(
    to_run: Rows, to_smoothed: Rows, to_spreads: Rows, tape: Rows, run: Rows, length: int, n: int, work: Rows
) -> None:
    """The adjoint of :func:`smoother_block`: ``to_run`` is set; ``to_smoothed`` and ``to_spreads`` change."""
    apart()
    square = n * n
    _, covariance, predicted, _, transitions, _, _ = run_tape(run, length, n)
    smoothed, spreads, gains, precisions, _ = smoother_tape(tape, length, n)
    to_mean, to_covariance, to_predicted, to_expected, to_transitions, to_noises, _ = run_tape(to_run, length, n)
    grad, shrink = work, work + square
    shifted, spare = work + 2 * square, work + (2 * square + n)
    fill(to_predicted, n, 0.0)
    fill(to_expected, square, 0.0)
    for t in range(length):
        to_here, to_spread, step = to_smoothed + t * n, to_spreads + t * square, t * square
        symmetrise(to_spread, n)
        copy(to_mean + t * n, to_here, n)
        if t + 1 == length:
            copy(to_covariance + step, to_spread, square)
        else:
            gain, around, transition = gains + step, covariance + step, transitions + step
            for i in range(n):
                shifted[i] = smoothed[(t + 1) * n + i] - predicted[(t + 1) * n + i]
            product(shrink, gain, transition, n, n, n, False, 1.0)
            one_minus(shrink, n)
            remainder_back(
                to_covariance + step, to_transitions + step, to_noises + step, to_spread, shrink, gain, around, n, spare
            )
            product(spare, to_spread, gain, n, n, n, False, 2.0)
            product(grad, spare, spreads + (t + 1) * square, n, n, n, False, 1.0)
            product_t(grad, to_here, shifted, n, 1, n, True, 1.0)
            gain_back(
                to_covariance + step, to_expected + (t + 1) * square, to_transitions + step,
                grad, gain, precisions + step, around, transition, n, spare,
            )  # fmt: skip
            t_product(spare, gain, to_here, n, n, 1, False, 1.0)
            for i in range(n):
                to_predicted[(t + 1) * n + i] = -1.0 * spare[i]
            add(to_smoothed + (t + 1) * n, spare, n)
            t_product(spare, gain, to_spread, n, n, n, False, 1.0)
            product(to_spreads + (t + 1) * square, spare, gain, n, n, n, True, 1.0)


def smoother_forward(
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    transitions: Any,
    noises: Any,
    smoothed_mean: Any,
    smoothed_covariance: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """Everything from ``smoothed_mean`` on is set."""
    batch, length, n = filtered_mean.shape
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        own = run_tape(run, length, n)[6]
        gather_run(
            run, filtered_mean, filtered_covariance, predicted_mean, predicted_covariance, transitions, noises, first
        )
        smoother_block(own, run, length, n, rows_of(scratch))
        scatter_steps(smoothed_mean, first, own)
        scatter_steps(smoothed_covariance, first, smoother_tape(own, length, n)[1])


def smoother_backward(
    to_smoothed_mean: Any,
    to_smoothed_covariance: Any,
    tape: Any,
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
    batch, length, n = to_smoothed_mean.shape
    to_smoothed = rows_of(scratch)
    to_spreads = to_smoothed + length * n
    to_run = to_spreads + length * n * n
    work = run_tape(to_run, length, n)[6]
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        gather_steps_gradient(to_smoothed, to_smoothed_mean, first)
        gather_steps_gradient(to_spreads, to_smoothed_covariance, first)
        smoother_block_back(to_run, to_smoothed, to_spreads, run_tape(run, length, n)[6], run, length, n, work)
        scatter_run(
            to_filtered_mean, to_filtered_covariance, to_predicted_mean, to_predicted_covariance,
            to_transitions, to_noises, first, to_run,
        )  # fmt: skip
