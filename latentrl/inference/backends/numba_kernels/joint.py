"""Filter, paths and densities in one go, and their adjoint: what a training step of an EKVAE needs of its recursion.

Nothing that lies between them leaves the lanes.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.density import density_block, density_block_back, density_tape
from latentrl.inference.backends.numba_kernels.filter import (
    filter_block,
    filter_block_back,
    filter_tape,
    noise_back,
    noise_of,
)
from latentrl.inference.backends.numba_kernels.gate import back_tape, sum_of
from latentrl.inference.backends.numba_kernels.lanes import LANES, Rows, apart, numbers_of, part, rows_of
from latentrl.inference.backends.numba_kernels.paths import path_block, path_block_back, path_tape
from latentrl.inference.backends.numba_kernels.run import gather_steps, gather_steps_gradient, run_tape, scatter_steps
from latentrl.inference.backends.numba_kernels.small import add, fill, gather_gradient, scatter, spread, totals


@part
def joint_tape(run: Any, length: int, n: int, d: int, m: int, size: int, count: int) -> Any:
    """Where the tapes of filter, paths and densities lie behind a run, and what comes after them."""
    filtered = run_tape(run, length, n)[6]
    paths = filter_tape(filtered, length, n, d, m, size, count)[8]
    densities = path_tape(paths, length, n)[5]
    return filtered, paths, densities, density_tape(densities, length, m, size, count)[3]


@part
def diagonal(out: Rows, variances: Rows, n: int) -> None:
    """A diagonal matrix ``[n, n]``."""
    apart()
    fill(out, n * n, 0.0)
    for i in range(n):
        out[i * n + i] = variances[i]


def joint_forward(
    mean: Any,
    variance: Any,
    observations: Any,
    controls: Any,
    draws: Any,
    emission: Any,
    noise: Any,
    gauge: Any,
    inverse: Any,
    theta: Any,
    widths: Any,
    base: Any,
    states: Any,
    emissions: Any,
    transitions: Any,
    log_probs: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """Everything from ``states`` on is set: ``states [B, T, Dz]`` and three densities ``[B, 1, 1]``.

    ``mean [1, Dz]``, ``variance [1, Dz]`` in the gauge and ``noise [1, Da]`` are those of the prior and of R.
    """
    batch, length, d = observations.shape
    n, m, (count, size) = gauge.shape[0], gauge.shape[0] + controls.shape[2], base.shape
    prior = rows_of(scratch)
    covariance, h = prior + n, prior + (n + n * n)
    r, spreads, turn, back = h + d * n, h + (d * n + d * d), h + (d * n + d * d + d), h + (d * n + d * d + d + n * n)
    emitted, moved, drawn = back + n * n, back + (n * n + 1), back + (n * n + 2)
    work = drawn + 1
    spread(prior, mean)
    spread(turn, gauge)
    spread(back, inverse)
    spread(h, emission)
    spread(spreads, noise)
    diagonal(r, spreads, d)
    spread(work, variance)
    noise_of(covariance, work, turn, n, work + n)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, paths, densities, _ = joint_tape(run, length, n, d, m, size, count)
        places = filter_tape(filtered, length, n, d, m, size, count)
        gather_steps(places[5], observations, first)
        gather_steps(places[7], controls, first)
        gather_steps(path_tape(paths, length, n)[1], draws, first)
        filter_block(
            run, filtered, prior, covariance, h, r, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, work,
        )  # fmt: skip
        path_block(drawn, paths, run, length, n, work)
        density_block(
            emitted, moved, densities, paths, places[5], places[7], spreads, back,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, work,
        )  # fmt: skip
        scatter_steps(states, first, paths)
        scatter(emissions, first, 0, emitted)
        scatter(transitions, first, 0, moved)
        scatter(log_probs, first, 0, drawn)


def joint_backward(
    to_states: Any,
    to_emissions: Any,
    to_transitions: Any,
    to_log_probs: Any,
    emission: Any,
    noise: Any,
    gauge: Any,
    inverse: Any,
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
    """From the gradients of what :func:`joint_forward` has set to those of what it was given; everything from
    ``to_mean`` to ``to_base`` is set."""
    batch, length, n = to_states.shape
    d, m, (count, size) = emission.shape[0], n + controls, base.shape
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    noise_sums = base_sums + count * size
    full_sums, mean_sums = noise_sums + d, noise_sums + (d + d * d)
    covariance_sums = mean_sums + n
    fill(sums, theta.shape[0] + count * size + d + d * d + n + n * n, 0.0)
    h = covariance_sums + n * n
    spreads, turn, inward = h + d * n, h + (d * n + d), h + (d * n + d + n * n)
    mean, covariance = inward + n * n, inward + (n * n + n)
    to_emission = covariance + n * n
    to_transition, to_log_prob, to_state = to_emission + 1, to_emission + 2, to_emission + 3
    to_observed = to_state + length * n
    to_run = to_observed + length * d
    back = run_tape(to_run, length, n)[6]
    work = back_tape(back, sum_of(widths), size, count)[4]
    spread(h, emission)
    spread(spreads, noise)
    spread(turn, gauge)
    spread(inward, inverse)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, paths, densities, _ = joint_tape(run, length, n, d, m, size, count)
        observed = filter_tape(filtered, length, n, d, m, size, count)[5]
        gather_steps_gradient(to_state, to_states, first)
        gather_gradient(to_emission, to_emissions, first, 0)
        gather_gradient(to_transition, to_transitions, first, 0)
        gather_gradient(to_log_prob, to_log_probs, first, 0)
        fill(to_observed, length * d, 0.0)
        density_block_back(
            to_state, to_observed, noise_sums, sums, base_sums, to_emission, to_transition, densities, paths,
            observed, spreads, inward, numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, back, work,
        )  # fmt: skip
        path_block_back(to_run, to_state, to_log_prob, paths, run, length, n, work)
        filter_block_back(
            mean, covariance, to_observed, full_sums, sums, base_sums, to_run, run, filtered, h, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, back, work,
        )  # fmt: skip
        scatter_steps(to_observations, first, to_observed)
        add(mean_sums, mean, n)
        add(covariance_sums, covariance, n * n)
    for i in range(d):
        noise_sums[i] = noise_sums[i] + full_sums[i * d + i]
    noise_back(work, covariance_sums, turn, n, work + n)
    totals(to_mean, mean_sums)
    totals(to_variance, work)
    totals(to_noise, noise_sums)
    totals(to_theta, sums)
    totals(to_base, base_sums)
