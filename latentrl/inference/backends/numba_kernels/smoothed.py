"""Filter and smoother in one go, and their adjoint; nothing that lies between them leaves the lanes."""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.filter import (
    filter_block,
    filter_block_back,
    filter_tape,
    noise_back,
    noise_of,
)
from latentrl.inference.backends.numba_kernels.gate import back_tape, sum_of
from latentrl.inference.backends.numba_kernels.joint import diagonal
from latentrl.inference.backends.numba_kernels.lanes import LANES, numbers_of, part, rows_of
from latentrl.inference.backends.numba_kernels.run import gather_steps, gather_steps_gradient, run_tape, scatter_steps
from latentrl.inference.backends.numba_kernels.small import add, fill, spread, totals
from latentrl.inference.backends.numba_kernels.smoother import smoother_block, smoother_block_back, smoother_tape


@part
def smoothed_tape(run: Any, length: int, n: int, d: int, m: int, size: int, count: int) -> Any:
    """Where the tapes of filter and smoother lie behind a run, and what comes after them."""
    filtered = run_tape(run, length, n)[6]
    smoothed = filter_tape(filtered, length, n, d, m, size, count)[8]
    return filtered, smoothed, smoother_tape(smoothed, length, n)[4]


def smoothed_forward(
    mean: Any,
    variance: Any,
    observations: Any,
    controls: Any,
    emission: Any,
    noise: Any,
    gauge: Any,
    theta: Any,
    widths: Any,
    base: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    smoothed_mean: Any,
    smoothed_covariance: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """Everything from ``filtered_mean`` on is set; see :func:`joint_forward` for the rest."""
    batch, length, d = observations.shape
    n, m, (count, size) = gauge.shape[0], gauge.shape[0] + controls.shape[2], base.shape
    prior = rows_of(scratch)
    covariance, h = prior + n, prior + (n + n * n)
    r, turn = h + d * n, h + (d * n + d * d)
    work = turn + n * n
    spread(prior, mean)
    spread(turn, gauge)
    spread(h, emission)
    spread(work, noise)
    diagonal(r, work, d)
    spread(work, variance)
    noise_of(covariance, work, turn, n, work + n)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, smoothed, _ = smoothed_tape(run, length, n, d, m, size, count)
        places = filter_tape(filtered, length, n, d, m, size, count)
        gather_steps(places[5], observations, first)
        gather_steps(places[7], controls, first)
        filter_block(
            run, filtered, prior, covariance, h, r, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, work,
        )  # fmt: skip
        smoother_block(smoothed, run, length, n, work)
        scatter_steps(filtered_mean, first, run)
        scatter_steps(filtered_covariance, first, run_tape(run, length, n)[1])
        scatter_steps(smoothed_mean, first, smoothed)
        scatter_steps(smoothed_covariance, first, smoother_tape(smoothed, length, n)[1])


def smoothed_backward(
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_smoothed_mean: Any,
    to_smoothed_covariance: Any,
    emission: Any,
    gauge: Any,
    theta: Any,
    widths: Any,
    base: Any,
    tape: Any,
    to_mean: Any,
    to_variance: Any,
    to_observations: Any,
    to_noise: Any,
    to_theta: Any,
    to_base: Any,
    controls: int,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`smoothed_forward` has set to those of what it was given; everything from
    ``to_mean`` to ``to_base`` is set, and ``to_noise [Da, Da]`` is that of all of R."""
    batch, length, n = to_filtered_mean.shape
    d, m, (count, size) = emission.shape[0], n + controls, base.shape
    square = n * n
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    noise_sums = base_sums + count * size
    mean_sums, covariance_sums = noise_sums + d * d, noise_sums + (d * d + n)
    fill(sums, theta.shape[0] + count * size + d * d + n + square, 0.0)
    h = covariance_sums + square
    turn, mean, covariance = h + d * n, h + (d * n + square), h + (d * n + square + n)
    to_smoothed, to_spreads = covariance + square, covariance + (square + length * n)
    to_observed = to_spreads + length * square
    extra = to_observed + length * d
    to_run = extra + length * (n + square)
    back = run_tape(to_run, length, n)[6]
    work = back_tape(back, sum_of(widths), size, count)[4]
    spread(h, emission)
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, smoothed, _ = smoothed_tape(run, length, n, d, m, size, count)
        gather_steps_gradient(to_smoothed, to_smoothed_mean, first)
        gather_steps_gradient(to_spreads, to_smoothed_covariance, first)
        gather_steps_gradient(extra, to_filtered_mean, first)
        gather_steps_gradient(extra + length * n, to_filtered_covariance, first)
        fill(to_observed, length * d, 0.0)
        smoother_block_back(to_run, to_smoothed, to_spreads, smoothed, run, length, n, work)
        # The filtered means and covariances, the first of a run, were asked for themselves.
        add(to_run, extra, length * (n + square))
        filter_block_back(
            mean, covariance, to_observed, noise_sums, sums, base_sums, to_run, run, filtered, h, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, back, work,
        )  # fmt: skip
        scatter_steps(to_observations, first, to_observed)
        add(mean_sums, mean, n)
        add(covariance_sums, covariance, square)
    noise_back(work, covariance_sums, turn, n, work + n)
    totals(to_mean, mean_sums)
    totals(to_variance, work)
    totals(to_noise, noise_sums)
    totals(to_theta, sums)
    totals(to_base, base_sums)
