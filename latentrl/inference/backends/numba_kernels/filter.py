"""The extended Kalman filter with the alpha network inside: all time steps of eight sequences, then of the next eight.

Arrays ``[B, T, n]`` are PyTorch's, matrices flat; arrays ``[blocks, T, n, LANES]`` are read and written by the kernels
alone. Every kernel is given an array to work in, for nothing that is made inside may be pointed to.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.gate import (
    STEPS_AT_ONCE,
    mix,
    mix_back,
    network,
    network_back,
    network_sums,
    softmax,
    softmax_back,
    sum_of,
)
from latentrl.inference.backends.numba_kernels.lanes import LANES, Rows, apart, get, part, put, rows_of, splat, total
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    gather,
    gather_gradient,
    product,
    product_t,
    scatter,
    spread,
)
from latentrl.inference.backends.numba_kernels.steps import (
    only_seen,
    predict,
    predict_back,
    update,
    update_back,
)


@part
def noise_of(noise: Rows, variances: Rows, gauge: Rows, n: int, work: Rows) -> None:
    """Q = gauge diag(q) gauge'; ``work`` of n²."""
    for r in range(n):
        for c in range(n):
            work[r * n + c] = gauge[r * n + c] * variances[c]
    product_t(noise, work, gauge, n, n, n, False, 1.0)


@part
def noise_back(to_variances: Rows, to_noise: Rows, gauge: Rows, n: int, work: Rows) -> None:
    """The gradient of q, the diagonal of gauge' dQ gauge; ``work`` of n²."""
    product(work, to_noise, gauge, n, n, n, False, 1.0)
    for c in range(n):
        found = splat(0.0)
        for r in range(n):
            found = found + gauge[r * n + c] * work[r * n + c]
        to_variances[c] = found


@part
def observe(
    observation: Rows,
    masked: Rows,
    shaken: Rows,
    given: Rows,
    observations: Any,
    seen: Any,
    h: Rows,
    r: Rows,
    first: int,
    t: int,
    d: int,
    n: int,
) -> None:
    """What is observed at a step: a, H and R, where ``seen [B, T, Da]`` has entries with zeros for what is not."""
    apart()
    gather(observation, observations, first, t)
    if seen.shape[0] > 0:
        gather(given, seen, first, t)
        for i in range(d):
            for lane in range(LANES):
                if get(given, i, lane) == 0.0:
                    # Whatever stands in for a missing observation, NaN included.
                    put(observation, i, lane, 0.0)
        only_seen(masked, shaken, given, h, r, d, n)
    else:
        copy(masked, h, d * n)
        copy(shaken, r, d * d)


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
    variances: Any,
    gauge: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    transitions: Any,
    noises: Any,
    gains: Any,
    whiteneds: Any,
    alphas: Any,
    scratch: Any,
) -> None:
    """Everything from ``filtered_mean`` on is set."""
    batch, length, d = observations.shape
    n, m, count = gauge.shape[0], gauge.shape[0] + controls.shape[2], base.shape[0]
    mean = rows_of(scratch)
    covariance = mean + n
    h, r, turn = covariance + n * n, covariance + (n * n + d * n), covariance + (n * n + d * n + d * d)
    spread(h, emission)
    spread(r, noise)
    spread(turn, gauge)
    observation = turn + n * n
    given, masked = observation + d, observation + 2 * d
    shaken = masked + d * n
    inputs = shaken + d * d
    dynamics = inputs + m
    transition, q = dynamics + n * m, dynamics + (n * m + n * n)
    mixed = q + n * n
    work = mixed + n
    for first in range(0, batch, LANES):
        gain = rows_of(gains) + first // LANES * length * n * d
        whitened = rows_of(whiteneds) + first // LANES * length * d
        alpha = rows_of(alphas) + first // LANES * (length - 1) * count
        gather(mean, prior_mean, first, 0)
        gather(covariance, prior_covariance, first, 0)
        for t in range(length):
            scatter(predicted_mean, first, t, mean)
            scatter(predicted_covariance, first, t, covariance)
            observe(observation, masked, shaken, given, observations, seen, h, r, first, t, d, n)
            update(mean, covariance, observation, masked, shaken, gain, whitened, n, d, work)
            scatter(filtered_mean, first, t, mean)
            scatter(filtered_covariance, first, t, covariance)
            gain, whitened = gain + n * d, whitened + d
            if t + 1 < length:
                copy(inputs, mean, n)
                gather(inputs + n, controls, first, t)
                softmax(alpha, network(work, inputs, theta, widths, m), count)
                mix(dynamics, alpha, base)
                mix(mixed, alpha, variances)
                noise_of(q, mixed, turn, n, transition)
                for i in range(n):
                    copy(transition + i * n, dynamics + i * m, n)
                scatter(transitions, first, t, transition)
                scatter(noises, first, t, q)
                predict(mean, covariance, inputs, dynamics, q, n, m, work)
                alpha = alpha + count


def filter_backward(
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_predicted_mean: Any,
    to_predicted_covariance: Any,
    to_transitions: Any,
    to_noises: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    controls: Any,
    seen: Any,
    emission: Any,
    theta: Any,
    widths: Any,
    base: Any,
    variances: Any,
    gauge: Any,
    gains: Any,
    whiteneds: Any,
    alphas: Any,
    to_prior_mean: Any,
    to_prior_covariance: Any,
    to_observations: Any,
    to_noise: Any,
    to_theta: Any,
    to_base: Any,
    to_variances: Any,
    scratch: Any,
) -> None:
    """From the gradients of all that :func:`filter_forward` has set to those of all that it was given; everything from
    ``to_prior_mean`` on is set."""
    batch, length, n = filtered_mean.shape
    d, m, count = emission.shape[0], n + controls.shape[2], base.shape[0]
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    variance_sums = base_sums + count * n * m
    noise_sums = variance_sums + count * n
    fill(sums, theta.shape[0] + count * n * m + count * n + d * d, 0.0)
    h = noise_sums + d * d
    turn = h + d * n
    spread(h, emission)
    spread(turn, gauge)
    masked, given = turn + n * n, turn + (n * n + d * n)
    mean = given + d
    covariance, found = mean + n, mean + (n + n * n)
    xs = found + n * n
    to_observation = xs + STEPS_AT_ONCE * m
    to_r = to_observation + d
    dynamics = to_r + d * d
    to_dynamics, to_q = dynamics + n * m, dynamics + 2 * n * m
    to_mixed, filtered = to_q + n * n, to_q + (n * n + n)
    slopes = filtered + n * n
    values = slopes + count
    depth, held = sum_of(widths), 0
    grads = values + STEPS_AT_ONCE * depth
    work = grads + STEPS_AT_ONCE * depth
    for first in range(0, batch, LANES):
        block = first // LANES
        fill(mean, n + n * n, 0.0)
        for t in range(length - 1, -1, -1):
            if t + 1 < length:
                # From the prediction for t + 1 to the belief at t.
                alpha = rows_of(alphas) + (block * (length - 1) + t) * count
                inputs = xs + held * m
                gather(inputs, filtered_mean, first, t)
                gather(inputs + n, controls, first, t)
                gather(filtered, filtered_covariance, first, t)
                mix(dynamics, alpha, base)
                gather_gradient(to_q, to_noises, first, t)
                add(to_q, covariance, n * n)
                noise_back(to_mixed, to_q, turn, n, work)
                gather_gradient(found, to_transitions, first, t)
                fill(to_dynamics, n * m, 0.0)
                for i in range(n):
                    copy(to_dynamics + i * m, found + i * n, n)
                predict_back(mean, covariance, to_dynamics, filtered, inputs, dynamics, n, m, work)
                fill(slopes, count, 0.0)
                mix_back(slopes, to_dynamics, alpha, base, base_sums)
                mix_back(slopes, to_mixed, alpha, variances, variance_sums)
                softmax_back(grads + ((held + 1) * depth - count), alpha, slopes, count)
                network(values + held * depth, inputs, theta, widths, m)
                network_back(found, grads + held * depth, values + held * depth, theta, widths, m, n, depth)
                held += 1
                if held == STEPS_AT_ONCE:
                    network_sums(sums, xs, values, grads, widths, m, depth, held)
                    held = 0
                add(mean, found, n)
            gather_gradient(found, to_filtered_mean, first, t)
            add(mean, found, n)
            gather_gradient(found, to_filtered_covariance, first, t)
            add(covariance, found, n * n)
            copy(masked, h, d * n)
            if seen.shape[0] > 0:
                gather(given, seen, first, t)
                for i in range(d):
                    for c in range(n):
                        masked[i * n + c] = given[i] * h[i * n + c]
            step = block * length + t
            gain, whitened = rows_of(gains) + step * n * d, rows_of(whiteneds) + step * d
            update_back(mean, covariance, to_observation, to_r, gain, whitened, masked, n, d, work)
            if seen.shape[0] > 0:
                for i in range(d):
                    for c in range(d):
                        if c != i:
                            to_r[i * d + c] = given[i] * given[c] * to_r[i * d + c]
            scatter(to_observations, first, t, to_observation)
            add(noise_sums, to_r, d * d)
            gather_gradient(found, to_predicted_mean, first, t)
            add(mean, found, n)
            gather_gradient(found, to_predicted_covariance, first, t)
            add(covariance, found, n * n)
        scatter(to_prior_mean, first, 0, mean)
        scatter(to_prior_covariance, first, 0, covariance)
    network_sums(sums, xs, values, grads, widths, m, depth, held)
    for k in range(theta.shape[0]):
        to_theta[k] = total(sums[k])
    for k in range(count):
        for c in range(n * m):
            to_base[k, c] = total(base_sums[k * n * m + c])
        for c in range(n):
            to_variances[k, c] = total(variance_sums[k * n + c])
    for i in range(d):
        for c in range(d):
            to_noise[i, c] = total(noise_sums[i * d + c])
