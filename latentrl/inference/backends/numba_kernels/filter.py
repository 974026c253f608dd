"""The extended Kalman filter with the alpha network inside: all time steps of eight sequences, then of the next eight.

Arrays ``[B, T, n]`` are PyTorch's, matrices flat; a ``tape [blocks, rows, LANES]`` is what a kernel leaves to its
adjoint. Every kernel is given an array to work in, for nothing that is made inside may be pointed to.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE, back_tape, mix, mix_back, mix_sums, sum_of
from latentrl.inference.backends.numba_kernels.lanes import (
    LANES,
    Numbers,
    Rows,
    apart,
    get,
    numbers_of,
    part,
    put,
    rows_of,
    splat,
)
from latentrl.inference.backends.numba_kernels.run import (
    gather_run_gradient,
    gather_steps,
    run_tape,
    scatter_run,
    scatter_steps,
)
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    gather,
    product,
    product_t,
    scatter,
    spread,
    totals,
)
from latentrl.inference.backends.numba_kernels.steps import (
    leading,
    only_seen,
    predict,
    predict_back,
    update,
    update_back,
)


@part
def noise_of(noise: Rows, variances: Rows, gauge: Rows, n: int, work: Rows) -> None:
    """Q = gauge diag(q) gauge'; ``work`` of n²."""
    apart()
    for r in range(n):
        for c in range(n):
            work[r * n + c] = gauge[r * n + c] * variances[c]
    product_t(noise, work, gauge, n, n, n, False, 1.0)


@part
def noise_back(to_variances: Rows, to_noise: Rows, gauge: Rows, n: int, work: Rows) -> None:
    """The gradient of q, the diagonal of gauge' dQ gauge; ``work`` of n²."""
    apart()
    product(work, to_noise, gauge, n, n, n, False, 1.0)
    for c in range(n):
        found = splat(0.0)
        for r in range(n):
            found = found + gauge[r * n + c] * work[r * n + c]
        to_variances[c] = found


@part
def filter_tape(start: Any, length: int, n: int, d: int, m: int, size: int, count: int) -> Any:
    """Where (z, u) and what was mixed, gains, whitened innovations, alpha, observations, what is seen of them, and
    controls lie; and what comes after them."""
    steps = length - 1
    mixed = start + steps * m
    gains = mixed + steps * size
    whitened = gains + length * n * d
    alphas = whitened + length * d
    observations = alphas + steps * count
    seen = observations + length * d
    controls = seen + length * d
    return start, mixed, gains, whitened, alphas, observations, seen, controls, controls + steps * (m - n)


@part
def filter_block(
    run: Rows,
    tape: Rows,
    prior_mean: Rows,
    prior_covariance: Rows,
    h: Rows,
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
    gaps: bool,
    work: Rows,
) -> None:
    """The run of eight sequences. Observations, controls and, with ``gaps``, what is seen are on the tape."""
    apart()
    square, count = n * n, widths[len(widths) - 1]
    xs, mixed, gains, whitened, alphas, observations, seen, controls, _ = filter_tape(
        tape, length, n, d, m, size, count
    )
    mean, covariance, predicted, expected, transitions, noises, _ = run_tape(run, length, n)
    masked, shaken = work, work + d * n
    spare = shaken + d * d
    copy(masked, h, d * n)
    copy(shaken, r, d * d)
    copy(predicted, prior_mean, n)
    copy(expected, prior_covariance, square)
    for t in range(length):
        here, around = mean + t * n, covariance + t * square
        copy(here, predicted + t * n, n)
        copy(around, expected + t * square, square)
        if gaps:
            only_seen(masked, shaken, seen + t * d, h, r, d, n)
        update(
            here, around, observations + t * d, masked, shaken, gains + t * n * d, whitened + t * d, n, d, spare
        )  # fmt: skip
        if t + 1 < length:
            x, found, q = xs + t * m, mixed + t * size, noises + t * square
            copy(x, here, n)
            copy(x + n, controls + t * (m - n), m - n)
            mix(found, alphas + t * count, x, theta, widths, base, m, size, spare)
            noise_of(q, found + n * m, turn, n, spare)
            leading(transitions + t * square, found, n, m)
            copy(expected + (t + 1) * square, around, square)
            predict(predicted + (t + 1) * n, expected + (t + 1) * square, x, found, q, n, m, spare)


@part
def filter_block_back(
    to_mean: Rows,
    to_covariance: Rows,
    to_observations: Rows,
    noise_sums: Rows,
    sums: Rows,
    base_sums: Rows,
    to_run: Rows,
    run: Rows,
    tape: Rows,
    h: Rows,
    turn: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    length: int,
    n: int,
    d: int,
    m: int,
    size: int,
    gaps: bool,
    back: Rows,
    work: Rows,
) -> None:
    """The adjoint of :func:`filter_block`: ``to_mean`` and ``to_covariance``, those of the prior, are set; what is
    before ``to_run`` is added to."""
    apart()
    square, count = n * n, widths[len(widths) - 1]
    xs, mixed, gains, whitened, alphas, _, seen, _, _ = filter_tape(tape, length, n, d, m, size, count)
    _, covariance, _, _, _, _, _ = run_tape(run, length, n)
    of_mean, of_covariance, of_predicted, of_expected, of_transitions, of_noises, _ = run_tape(to_run, length, n)
    to_mixed = back_tape(back, sum_of(widths), size, count)[2]
    masked, to_observation = work, work + d * n
    to_r, to_q = to_observation + d, to_observation + d + d * d
    found = to_q + square
    spare = found + n
    copy(masked, h, d * n)
    fill(to_mean, n, 0.0)
    fill(to_covariance, square, 0.0)
    for t in range(length - 1, -1, -1):
        if t + 1 < length:
            # From the prediction for t + 1 to the belief at t.
            place = t % STEPS_AT_ONCE
            to_dynamics = to_mixed + place * size
            copy(to_q, of_noises + t * square, square)
            add(to_q, to_covariance, square)
            fill(to_dynamics, size, 0.0)
            noise_back(to_dynamics + n * m, to_q, turn, n, spare)
            for i in range(n):
                copy(to_dynamics + i * m, of_transitions + (t * square + i * n), n)
            predict_back(
                to_mean, to_covariance, to_dynamics, covariance + t * square, xs + t * m, mixed + t * size, n, m, spare
            )
            mix_back(found, back, place, alphas + t * count, xs + t * m, theta, widths, base, n, m, size)
            add(to_mean, found, n)
            if place == 0:
                steps = min(STEPS_AT_ONCE, length - 1 - t)
                mix_sums(sums, base_sums, back, steps, alphas + t * count, xs + t * m, widths, m, size)
        add(to_mean, of_mean + t * n, n)
        add(to_covariance, of_covariance + t * square, square)
        if gaps:
            for i in range(d):
                for c in range(n):
                    masked[i * n + c] = seen[t * d + i] * h[i * n + c]
        update_back(
            to_mean, to_covariance, to_observation, to_r, gains + t * n * d, whitened + t * d, masked, n, d, spare
        )
        if gaps:
            for i in range(d):
                for c in range(d):
                    if c != i:
                        to_r[i * d + c] = seen[t * d + i] * seen[t * d + c] * to_r[i * d + c]
        add(to_observations + t * d, to_observation, d)
        add(noise_sums, to_r, d * d)
        add(to_mean, of_predicted + t * n, n)
        add(to_covariance, of_expected + t * square, square)


@part
def hide(observations: Rows, seen: Rows, count: int) -> None:
    """Whatever stands in for a missing observation, NaN included, becomes zero."""
    apart()
    for i in range(count):
        for lane in range(LANES):
            if get(seen, i, lane) == 0.0:
                put(observations, i, lane, 0.0)


def filter_forward(
    prior_mean: Any,
    prior_covariance: Any,
    observations: Any,
    controls: Any,
    seen: Any,
    emission: Any,
    noise: Any,
    theta: Any,
    widths: Any,
    base: Any,
    gauge: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    transitions: Any,
    noises: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """Everything from ``filtered_mean`` on is set."""
    batch, length, d = observations.shape
    n, m, (count, size) = gauge.shape[0], gauge.shape[0] + controls.shape[2], base.shape
    mean = rows_of(scratch)
    covariance = mean + n
    h, r, turn = covariance + n * n, covariance + (n * n + d * n), covariance + (n * n + d * n + d * d)
    work, gaps = turn + n * n, seen.shape[0] > 0
    spread(h, emission)
    spread(r, noise)
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        own = run_tape(run, length, n)[6]
        places = filter_tape(own, length, n, d, m, size, count)
        gather(mean, prior_mean, first, 0)
        gather(covariance, prior_covariance, first, 0)
        gather_steps(places[5], observations, first)
        gather_steps(places[7], controls, first)
        if gaps:
            gather_steps(places[6], seen, first)
            hide(places[5], places[6], length * d)
        filter_block(
            run, own, mean, covariance, h, r, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, gaps, work,
        )  # fmt: skip
        scatter_run(
            filtered_mean, filtered_covariance, predicted_mean, predicted_covariance, transitions, noises, first, run
        )


def filter_backward(
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_predicted_mean: Any,
    to_predicted_covariance: Any,
    to_transitions: Any,
    to_noises: Any,
    emission: Any,
    theta: Any,
    widths: Any,
    base: Any,
    gauge: Any,
    tape: Any,
    to_prior_mean: Any,
    to_prior_covariance: Any,
    to_observations: Any,
    to_noise: Any,
    to_theta: Any,
    to_base: Any,
    gaps: bool,
    controls: int,
    scratch: Any,
) -> None:
    """From the gradients of all that :func:`filter_forward` has set to those of all that it was given; everything from
    ``to_prior_mean`` to ``to_base`` is set."""
    batch, length, n = to_filtered_mean.shape
    d, m, count = emission.shape[0], n + controls, base.shape[0]
    size = base.shape[1]
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    noise_sums = base_sums + count * size
    h = noise_sums + d * d
    turn = h + d * n
    mean = turn + n * n
    covariance, to_run = mean + n, mean + (n + n * n)
    given = run_tape(to_run, length, n)[6]
    back = given + length * d
    work = back_tape(back, sum_of(widths), size, count)[4]
    fill(sums, theta.shape[0] + count * size + d * d, 0.0)
    spread(h, emission)
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        run = rows_of(tape) + first // LANES * tape.shape[1]
        own = run_tape(run, length, n)[6]
        fill(given, length * d, 0.0)
        gather_run_gradient(
            to_run, to_filtered_mean, to_filtered_covariance, to_predicted_mean, to_predicted_covariance,
            to_transitions, to_noises, first,
        )  # fmt: skip
        filter_block_back(
            mean, covariance, given, noise_sums, sums, base_sums, to_run, run, own, h, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, gaps, back, work,
        )  # fmt: skip
        scatter_steps(to_observations, first, given)
        scatter(to_prior_mean, first, 0, mean)
        scatter(to_prior_covariance, first, 0, covariance)
    totals(to_theta, sums)
    totals(to_base, base_sums)
    totals(to_noise, noise_sums)
