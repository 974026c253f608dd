"""The moments F z + B u and q of the transition at many states, eight at a time."""

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
from latentrl.inference.backends.numba_kernels.lanes import LANES, rows_of, total
from latentrl.inference.backends.numba_kernels.small import (
    add,
    fill,
    gather,
    gather_gradient,
    product,
    product_t,
    scatter,
    t_product,
)
from latentrl.inference.backends.numba_kernels.steps import leading


def moments_forward(
    states: Any,
    controls: Any,
    theta: Any,
    widths: Any,
    base: Any,
    variances: Any,
    means: Any,
    spreads: Any,
    alphas: Any,
    scratch: Any,
) -> None:
    """``means [B, T, Dz]`` and ``spreads``, the diagonal of Q in its own gauge, for ``states [B, T, Dz]``."""
    batch, length, n = states.shape
    m, count = n + controls.shape[2], base.shape[0]
    inputs = rows_of(scratch)
    dynamics, mean = inputs + m, inputs + (m + n * m)
    work = mean + n
    for first in range(0, batch, LANES):
        alpha = rows_of(alphas) + first // LANES * length * count
        for t in range(length):
            gather(inputs, states, first, t)
            gather(inputs + n, controls, first, t)
            softmax(alpha, network(work, inputs, theta, widths, m), count)
            mix(dynamics, alpha, base)
            product(mean, dynamics, inputs, n, m, 1, False, 1.0)
            scatter(means, first, t, mean)
            mix(mean, alpha, variances)
            scatter(spreads, first, t, mean)
            alpha = alpha + count


def moments_backward(
    to_means: Any,
    to_spreads: Any,
    states: Any,
    controls: Any,
    theta: Any,
    widths: Any,
    base: Any,
    variances: Any,
    alphas: Any,
    to_states: Any,
    to_theta: Any,
    to_base: Any,
    to_variances: Any,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`moments_forward` has set to those of what it was given; everything from
    ``to_states`` on is set."""
    batch, length, n = states.shape
    m, count = n + controls.shape[2], base.shape[0]
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    variance_sums = base_sums + count * n * m
    fill(sums, theta.shape[0] + count * n * m + count * n, 0.0)
    xs = variance_sums + count * n
    dynamics = xs + STEPS_AT_ONCE * m
    to_dynamics = dynamics + n * m
    to_mean = to_dynamics + n * m
    to_spread, to_state, found = to_mean + n, to_mean + 2 * n, to_mean + 3 * n
    slopes = found + n
    values = slopes + count
    depth, held = sum_of(widths), 0
    grads = values + STEPS_AT_ONCE * depth
    work = grads + STEPS_AT_ONCE * depth
    for first in range(0, batch, LANES):
        alpha = rows_of(alphas) + first // LANES * length * count
        for t in range(length):
            inputs = xs + held * m
            gather(inputs, states, first, t)
            gather(inputs + n, controls, first, t)
            mix(dynamics, alpha, base)
            gather_gradient(to_mean, to_means, first, t)
            gather_gradient(to_spread, to_spreads, first, t)
            product_t(to_dynamics, to_mean, inputs, n, 1, m, False, 1.0)
            leading(work, dynamics, n, m)
            t_product(to_state, work, to_mean, n, n, 1, False, 1.0)
            fill(slopes, count, 0.0)
            mix_back(slopes, to_dynamics, alpha, base, base_sums)
            mix_back(slopes, to_spread, alpha, variances, variance_sums)
            softmax_back(grads + ((held + 1) * depth - count), alpha, slopes, count)
            network(values + held * depth, inputs, theta, widths, m)
            network_back(found, grads + held * depth, values + held * depth, theta, widths, m, n, depth)
            held += 1
            if held == STEPS_AT_ONCE:
                network_sums(sums, xs, values, grads, widths, m, depth, held)
                held = 0
            add(to_state, found, n)
            scatter(to_states, first, t, to_state)
            alpha = alpha + count
    network_sums(sums, xs, values, grads, widths, m, depth, held)
    for k in range(theta.shape[0]):
        to_theta[k] = total(sums[k])
    for k in range(count):
        for c in range(n * m):
            to_base[k, c] = total(base_sums[k * n * m + c])
        for c in range(n):
            to_variances[k, c] = total(variance_sums[k * n + c])
