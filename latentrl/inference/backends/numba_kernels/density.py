"""The density of trajectories and of what is observed of them, log p(z_2:T | z_1, u) and log p(a_1:T | z_1:T)."""

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
from latentrl.inference.backends.numba_kernels.lanes import LANES, logarithm, rows_of, splat, total
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
    t_product,
)
from latentrl.inference.backends.numba_kernels.steps import leading

LOG_2PI = 1.8378770664093453


def density_forward(
    states: Any,
    controls: Any,
    observations: Any,
    noise: Any,
    inverse: Any,
    theta: Any,
    widths: Any,
    base: Any,
    variances: Any,
    emissions: Any,
    transitions: Any,
    alphas: Any,
    scratch: Any,
) -> None:
    """``emissions [B, 1, 1]`` and ``transitions [B, 1, 1]`` of ``states [B, T, Dz]``, without the gauge's determinant.

    ``noise [1, Da]`` is the diagonal of R; ``inverse [Dz, Dz]`` leads to the gauge that Q is diagonal in.
    """
    batch, length, n = states.shape
    m, d, count = n + controls.shape[2], observations.shape[2], base.shape[0]
    inputs = rows_of(scratch)
    dynamics, mean = inputs + m, inputs + (m + n * m)
    state, variance, own = mean + n, mean + 2 * n, mean + 3 * n
    observed, r, turn = own + n, own + (n + d), own + (n + 2 * d)
    emission, transition = turn + n * n, turn + (n * n + 1)
    log_r = transition + 1
    work = log_r + d
    spread(turn, inverse)
    spread(r, noise)
    for i in range(d):
        log_r[i] = logarithm(r[i]) + LOG_2PI
    for first in range(0, batch, LANES):
        alpha = rows_of(alphas) + first // LANES * (length - 1) * count
        emission[0] = splat(0.0)
        transition[0] = splat(0.0)
        for t in range(length):
            gather(state, states, first, t)
            gather(observed, observations, first, t)
            for i in range(d):
                error = observed[i] - state[i]
                emission[0] = emission[0] - 0.5 * (error * error / r[i] + log_r[i])
            if t > 0:
                for i in range(n):
                    mean[i] = state[i] - mean[i]
                product(own, turn, mean, n, n, 1, False, 1.0)
                for i in range(n):
                    found = own[i] * own[i] / variance[i] + logarithm(variance[i]) + LOG_2PI
                    transition[0] = transition[0] - 0.5 * found
            if t + 1 < length:
                copy(inputs, state, n)
                gather(inputs + n, controls, first, t)
                softmax(alpha, network(work, inputs, theta, widths, m), count)
                mix(dynamics, alpha, base)
                mix(variance, alpha, variances)
                product(mean, dynamics, inputs, n, m, 1, False, 1.0)
                alpha = alpha + count
        scatter(emissions, first, 0, emission)
        scatter(transitions, first, 0, transition)


def density_backward(
    to_emissions: Any,
    to_transitions: Any,
    states: Any,
    controls: Any,
    observations: Any,
    noise: Any,
    inverse: Any,
    theta: Any,
    widths: Any,
    base: Any,
    variances: Any,
    alphas: Any,
    to_states: Any,
    to_observations: Any,
    to_noise: Any,
    to_theta: Any,
    to_base: Any,
    to_variances: Any,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`density_forward` has set to those of what it was given; everything from
    ``to_states`` on is set."""
    batch, length, n = states.shape
    m, d, count = n + controls.shape[2], observations.shape[2], base.shape[0]
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    variance_sums = base_sums + count * n * m
    noise_sums = variance_sums + count * n
    fill(sums, theta.shape[0] + count * n * m + count * n + d, 0.0)
    xs = noise_sums + d
    dynamics = xs + STEPS_AT_ONCE * m
    to_dynamics = dynamics + n * m
    state = to_dynamics + n * m
    after, mean, own, found = state + n, state + 2 * n, state + 3 * n, state + 4 * n
    variance, to_variance, to_state, to_after = state + 5 * n, state + 6 * n, state + 7 * n, state + 8 * n
    observed = state + 9 * n
    r, turn = observed + d, observed + 2 * d
    to_emission, to_transition = turn + n * n, turn + (n * n + 1)
    slopes = to_transition + 1
    values = slopes + count
    depth, held = sum_of(widths), 0
    grads = values + STEPS_AT_ONCE * depth
    work = grads + STEPS_AT_ONCE * depth
    spread(turn, inverse)
    spread(r, noise)
    for first in range(0, batch, LANES):
        alpha = rows_of(alphas) + first // LANES * (length - 1) * count
        gather_gradient(to_emission, to_emissions, first, 0)
        gather_gradient(to_transition, to_transitions, first, 0)
        # What the transition to this state has to say of it.
        fill(to_after, n, 0.0)
        for t in range(length):
            gather(state, states, first, t)
            gather(observed, observations, first, t)
            copy(to_state, to_after, n)
            for i in range(d):
                error = (observed[i] - state[i]) / r[i]
                slope = to_emission[0] * error
                to_state[i] = to_state[i] + slope
                noise_sums[i] = noise_sums[i] + 0.5 * (slope * error - to_emission[0] / r[i])
                observed[i] = -1.0 * slope
            scatter(to_observations, first, t, observed)
            if t + 1 < length:
                inputs = xs + held * m
                copy(inputs, state, n)
                gather(inputs + n, controls, first, t)
                gather(after, states, first, t + 1)
                mix(dynamics, alpha, base)
                mix(variance, alpha, variances)
                product(mean, dynamics, inputs, n, m, 1, False, 1.0)
                for i in range(n):
                    mean[i] = after[i] - mean[i]
                product(own, turn, mean, n, n, 1, False, 1.0)
                for i in range(n):
                    scaled = own[i] / variance[i]
                    to_variance[i] = 0.5 * to_transition[0] * (scaled * scaled - 1.0 / variance[i])
                    own[i] = to_transition[0] * scaled
                # The gradient of the mean; that of the state after it is the opposite.
                t_product(mean, turn, own, n, n, 1, False, 1.0)
                for i in range(n):
                    to_after[i] = -1.0 * mean[i]
                product_t(to_dynamics, mean, inputs, n, 1, m, False, 1.0)
                leading(work, dynamics, n, m)
                t_product(to_state, work, mean, n, n, 1, True, 1.0)
                fill(slopes, count, 0.0)
                mix_back(slopes, to_dynamics, alpha, base, base_sums)
                mix_back(slopes, to_variance, alpha, variances, variance_sums)
                softmax_back(grads + ((held + 1) * depth - count), alpha, slopes, count)
                network(values + held * depth, inputs, theta, widths, m)
                network_back(found, grads + held * depth, values + held * depth, theta, widths, m, n, depth)
                held += 1
                if held == STEPS_AT_ONCE:
                    network_sums(sums, xs, values, grads, widths, m, depth, held)
                    held = 0
                add(to_state, found, n)
                alpha = alpha + count
            scatter(to_states, first, t, to_state)
    network_sums(sums, xs, values, grads, widths, m, depth, held)
    for k in range(theta.shape[0]):
        to_theta[k] = total(sums[k])
    for k in range(count):
        for c in range(n * m):
            to_base[k, c] = total(base_sums[k * n * m + c])
        for c in range(n):
            to_variances[k, c] = total(variance_sums[k * n + c])
    for i in range(d):
        to_noise[0, i] = total(noise_sums[i])
