"""Filter, smoother, a state of every marginal and densities in one go, and their adjoint: what a training step of the
smoother's and the filter's version of an EKVAE needs of its recursion.

The arithmetic of the densities is that of :meth:`latentrl.inference.backends.base.Backend.marginals`.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.chain import seen_noise
from latentrl.inference.backends.numba_kernels.density import LOG_2PI, density_tape
from latentrl.inference.backends.numba_kernels.filter import (
    filter_block,
    filter_block_back,
    filter_tape,
    noise_back,
    noise_of,
)
from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE, back_tape, mix, mix_back, mix_sums, sum_of
from latentrl.inference.backends.numba_kernels.joint import diagonal
from latentrl.inference.backends.numba_kernels.lanes import (
    LANES,
    Numbers,
    Rows,
    apart,
    logarithm,
    numbers_of,
    part,
    rows_of,
    splat,
)
from latentrl.inference.backends.numba_kernels.paths import HALF_LOG_2PI, draw, draw_back
from latentrl.inference.backends.numba_kernels.run import gather_steps, gather_steps_gradient, run_tape, scatter_steps
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    factorise,
    fill,
    gather_gradient,
    half_log_det,
    invert_lower,
    product,
    product_t,
    scatter,
    spread,
    t_product,
    totals,
)
from latentrl.inference.backends.numba_kernels.smoothed import smoothed_tape
from latentrl.inference.backends.numba_kernels.smoother import smoother_block, smoother_block_back, smoother_tape
from latentrl.inference.backends.numba_kernels.steps import leading


@part
def marginal_tape(start: Any, length: int, n: int) -> Any:
    """Where states, normal numbers, factors of the marginals and inverse factors of the filter's lie, and what comes
    after them: the tape of densities. The last state appears in no term, unless it is the first too."""
    kept = max(length - 1, 1)
    draws = start + kept * n
    factors = draws + kept * n
    inverses = factors + kept * n * n
    return start, draws, factors, inverses, inverses + kept * n * n


@part
def marginal_block(
    emission: Rows,
    transition: Rows,
    log_prob: Rows,
    tape: Rows,
    run: Rows,
    mean: Rows,
    covariance: Rows,
    observations: Rows,
    controls: Rows,
    r: Rows,
    turn: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    length: int,
    n: int,
    d: int,
    m: int,
    size: int,
    smoothing: bool,
    work: Rows,
) -> None:
    """States of the marginals ``mean`` and ``covariance``, on the tape where the normal numbers are, and the densities.

    ``work`` of 2 n + n² and the sum of the widths.
    """
    apart()
    square, count, steps = n * n, widths[len(widths) - 1], length - 1
    states, draws, factors, inverses, densities = marginal_tape(tape, length, n)
    xs, mixed, alphas, _ = density_tape(densities, length, m, size, count)
    of_filter = run_tape(run, length, n)[1]
    predicted, q, spare = work, work + n, work + 2 * n
    emission[0] = splat(-0.5 * d * LOG_2PI)
    transition[0] = splat(-0.5 * steps * d * LOG_2PI)
    log_prob[0] = splat(0.0)
    for t in range(max(steps, 1)):
        state = states + t * n
        copy(state, mean + t * n, n)
        drawn = draw(state, factors + t * square, covariance + t * square, draws + t * n, n)
        if t == 0:
            log_prob[0] = log_prob[0] - drawn
            for i in range(d):
                missed = observations[i] - state[i]
                emission[0] = emission[0] - 0.5 * (missed * missed / r[i] + logarithm(r[i]))
        if t < steps:
            if smoothing:
                factorise(spare, of_filter + t * square, n)
                invert_lower(inverses + t * square, spare, n)
                filtered = half_log_det(spare, n) + n * HALF_LOG_2PI
                whiten(q, inverses + t * square, state, run + t * n, n, predicted)
                for i in range(n):
                    filtered = filtered + 0.5 * (q[i] * q[i])
                log_prob[0] = log_prob[0] + (filtered - drawn)
            x, found = xs + t * m, mixed + t * size
            copy(x, state, n)
            copy(x + n, controls + t * (m - n), m - n)
            mix(found, alphas + t * count, x, theta, widths, base, m, size, spare)
            product(predicted, found, x, d, m, 1, False, 1.0)
            seen_noise(q, found + n * m, turn, n)
            for i in range(d):
                missed, both = observations[(t + 1) * d + i] - predicted[i], q[i] + r[i]
                transition[0] = transition[0] - 0.5 * (missed * missed / both + logarithm(both))


@part
def whiten(out: Rows, inverse: Rows, state: Rows, mean: Rows, n: int, work: Rows) -> None:
    """L^-1 (z - m), given L^-1; ``work`` of n."""
    apart()
    for i in range(n):
        work[i] = state[i] - mean[i]
    product(out, inverse, work, n, n, 1, False, 1.0)


@part
def marginal_block_back(
    to_mean: Rows,
    to_covariance: Rows,
    to_filtered: Rows,
    to_observations: Rows,
    noise_sums: Rows,
    sums: Rows,
    base_sums: Rows,
    to_states: Rows,
    to_emission: Rows,
    to_transition: Rows,
    to_log_prob: Rows,
    tape: Rows,
    run: Rows,
    observations: Rows,
    r: Rows,
    turn: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    length: int,
    n: int,
    d: int,
    m: int,
    size: int,
    smoothing: bool,
    back: Rows,
    work: Rows,
) -> None:
    """The adjoint of :func:`marginal_block`: ``to_mean`` and ``to_covariance`` of the marginals that states were drawn
    from are set, so are, with ``smoothing``, ``to_filtered``, those of the filter's means and then of its covariances;
    from ``to_observations`` to ``base_sums`` all is added to; ``to_states`` change."""
    apart()
    square, count, steps = n * n, widths[len(widths) - 1], length - 1
    states, draws, factors, inverses, densities = marginal_tape(tape, length, n)
    xs, mixed, alphas, _ = density_tape(densities, length, m, size, count)
    to_mixed = back_tape(back, sum_of(widths), size, count)[2]
    predicted, q, found = work, work + n, work + 2 * n
    slope, matrix = work + 3 * n, work + (3 * n + 1)
    spare = matrix + square
    # Nothing was drawn from the last marginal, unless it is the first too.
    fill(to_mean + steps * n, n, 0.0)
    fill(to_covariance + steps * square, square, 0.0)
    if smoothing:
        fill(to_filtered + steps * n, n, 0.0)
        fill(to_filtered + (length * n + steps * square), square, 0.0)
    for t in range(max(steps, 1)):
        state, to_state = states + t * n, to_states + t * n
        slope[0] = splat(0.0)
        if t == 0:
            slope[0] = to_log_prob[0]
            for i in range(d):
                missed = (observations[i] - state[i]) / r[i]
                to_state[i] = to_state[i] + to_emission[0] * missed
                to_observations[i] = to_observations[i] - to_emission[0] * missed
                noise_sums[i] = noise_sums[i] + 0.5 * to_emission[0] * (missed * missed - 1.0 / r[i])
        if t < steps:
            x, dynamics, place = xs + t * m, mixed + t * size, t % STEPS_AT_ONCE
            to_dynamics = to_mixed + place * size
            product(predicted, dynamics, x, d, m, 1, False, 1.0)
            seen_noise(q, dynamics + n * m, turn, n)
            # The gradients of means and variances take their places; nothing is seen of the other dimensions.
            for i in range(d):
                both = q[i] + r[i]
                missed = (observations[(t + 1) * d + i] - predicted[i]) / both
                predicted[i] = to_transition[0] * missed
                q[i] = 0.5 * to_transition[0] * (missed * missed - 1.0 / both)
                to_observations[(t + 1) * d + i] = to_observations[(t + 1) * d + i] - predicted[i]
                noise_sums[i] = noise_sums[i] + q[i]
            fill(to_dynamics, size, 0.0)
            product_t(to_dynamics, predicted, x, d, 1, m, False, 1.0)
            for i in range(d):
                for c in range(n):
                    weight = turn[i * n + c] * turn[i * n + c]
                    to_dynamics[n * m + c] = to_dynamics[n * m + c] + weight * q[i]
            leading(matrix, dynamics, n, m)
            t_product(to_state, matrix, predicted, n, d, 1, True, 1.0)
            mix_back(found, back, place, alphas + t * count, x, theta, widths, base, n, m, size)
            add(to_state, found, n)
            if place + 1 == STEPS_AT_ONCE or t + 1 == steps:
                mix_sums(
                    sums, base_sums, back, place + 1, alphas + (t - place) * count, x + -place * m, widths, m, size
                )
            if smoothing:
                inverse, to_spread = inverses + t * square, to_filtered + (length * n + t * square)
                slope[0] = slope[0] + to_log_prob[0]
                whiten(q, inverse, state, run + t * n, n, predicted)
                t_product(found, inverse, q, n, n, 1, False, 1.0)
                t_product(to_spread, inverse, inverse, n, n, n, False, 1.0)
                product_t(to_spread, found, found, n, 1, n, True, -1.0)
                for i in range(square):
                    to_spread[i] = 0.5 * to_log_prob[0] * to_spread[i]
                for i in range(n):
                    moved = to_log_prob[0] * found[i]
                    to_state[i] = to_state[i] + moved
                    to_filtered[t * n + i] = -1.0 * moved
        draw_back(to_covariance + t * square, to_state, draws + t * n, factors + t * square, slope, n, spare)
        copy(to_mean + t * n, to_state, n)


def marginals_forward(
    mean: Any,
    variance: Any,
    observations: Any,
    controls: Any,
    draws: Any,
    emission: Any,
    noise: Any,
    gauge: Any,
    smoothing: bool,
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
    """As :func:`joint_forward`, from the smoothed marginals or, unless ``smoothing``, from the filtered ones."""
    batch, length, d = observations.shape
    n, m, (count, size) = gauge.shape[0], gauge.shape[0] + controls.shape[2], base.shape
    prior = rows_of(scratch)
    covariance, h = prior + n, prior + (n + n * n)
    r, spreads, turn = h + d * n, h + (d * n + d * d), h + (d * n + d * d + d)
    emitted, moved, drawn = turn + n * n, turn + (n * n + 1), turn + (n * n + 2)
    work = drawn + 1
    spread(prior, mean)
    spread(turn, gauge)
    spread(h, emission)
    spread(spreads, noise)
    diagonal(r, spreads, d)
    spread(work, variance)
    noise_of(covariance, work, turn, n, work + n)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, smoothed, own = smoothed_tape(run, length, n, d, m, size, count)
        places = filter_tape(filtered, length, n, d, m, size, count)
        gather_steps(places[5], observations, first)
        gather_steps(places[7], controls, first)
        gather_steps(marginal_tape(own, length, n)[1], draws, first)
        filter_block(
            run, filtered, prior, covariance, h, r, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, work,
        )  # fmt: skip
        means, covariances = run, run_tape(run, length, n)[1]
        if smoothing:
            smoother_block(smoothed, run, length, n, work)
            means, covariances = smoothed, smoother_tape(smoothed, length, n)[1]
        marginal_block(
            emitted, moved, drawn, own, run, means, covariances, places[5], places[7], spreads, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, smoothing, work,
        )  # fmt: skip
        scatter_steps(states, first, own)
        scatter(emissions, first, 0, emitted)
        scatter(transitions, first, 0, moved)
        scatter(log_probs, first, 0, drawn)


def marginals_backward(
    to_states: Any,
    to_emissions: Any,
    to_transitions: Any,
    to_log_probs: Any,
    emission: Any,
    noise: Any,
    gauge: Any,
    smoothing: bool,
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
    """As :func:`joint_backward`."""
    (batch, length, d), n = to_observations.shape, to_states.shape[2]
    m, (count, size) = n + controls, base.shape
    square = n * n
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    noise_sums = base_sums + count * size
    full_sums, mean_sums = noise_sums + d, noise_sums + (d + d * d)
    covariance_sums = mean_sums + n
    fill(sums, theta.shape[0] + count * size + d + d * d + n + square, 0.0)
    h = covariance_sums + square
    spreads, turn = h + d * n, h + (d * n + d)
    mean, covariance = turn + square, turn + (square + n)
    to_emission = covariance + square
    to_transition, to_log_prob, to_state = to_emission + 1, to_emission + 2, to_emission + 3
    to_observed = to_state + length * n
    to_smoothed = to_observed + length * d
    to_filtered = to_smoothed + length * (n + square)
    to_run = to_filtered + length * (n + square)
    back = run_tape(to_run, length, n)[6]
    work = back_tape(back, sum_of(widths), size, count)[4]
    spread(h, emission)
    spread(spreads, noise)
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        filtered, smoothed, own = smoothed_tape(run, length, n, d, m, size, count)
        observed = filter_tape(filtered, length, n, d, m, size, count)[5]
        gather_steps_gradient(to_state, to_states, first)
        gather_gradient(to_emission, to_emissions, first, 0)
        gather_gradient(to_transition, to_transitions, first, 0)
        gather_gradient(to_log_prob, to_log_probs, first, 0)
        fill(to_observed, length * d, 0.0)
        # What states are drawn from: the smoothed beliefs, or the filtered ones, which are the first of a run.
        to_means = to_smoothed if smoothing else to_run
        if not smoothing:
            fill(to_run, 2 * length * (n + square) + 2 * (length - 1) * square, 0.0)
        marginal_block_back(
            to_means, to_means + length * n, to_filtered, to_observed, noise_sums, sums, base_sums, to_state,
            to_emission, to_transition, to_log_prob, own, run, observed, spreads, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, smoothing, back, work,
        )  # fmt: skip
        if smoothing:
            smoother_block_back(to_run, to_smoothed, to_smoothed + length * n, smoothed, run, length, n, work)
            add(to_run, to_filtered, length * (n + square))
        filter_block_back(
            mean, covariance, to_observed, full_sums, sums, base_sums, to_run, run, filtered, h, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, False, back, work,
        )  # fmt: skip
        scatter_steps(to_observations, first, to_observed)
        add(mean_sums, mean, n)
        add(covariance_sums, covariance, square)
    for i in range(d):
        noise_sums[i] = noise_sums[i] + full_sums[i * d + i]
    noise_back(work, covariance_sums, turn, n, work + n)
    totals(to_mean, mean_sums)
    totals(to_variance, work)
    totals(to_noise, noise_sums)
    totals(to_theta, sums)
    totals(to_base, base_sums)
