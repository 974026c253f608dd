"""The moments F z + B u and q of the transition at many states, eight at a time."""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE, back_tape, mix, mix_back, mix_sums, sum_of
from latentrl.inference.backends.numba_kernels.lanes import LANES, numbers_of, rows_of
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    gather,
    gather_gradient,
    product,
    product_t,
    scatter,
    t_product,
    totals,
)
from latentrl.inference.backends.numba_kernels.steps import leading


def moments_forward(
    states: Any,
    controls: Any,
    theta: Any,
    widths: Any,
    base: Any,
    means: Any,
    spreads: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """``means [B, T, Dz]`` and ``spreads``, the diagonal of Q in its own gauge, for ``states [B, T, Dz]``."""
    batch, length, n = states.shape
    m, (count, size) = n + controls.shape[2], base.shape
    mean = rows_of(scratch)
    work = mean + n
    for first in range(0, batch, LANES):
        x = rows_of(tape) + first // LANES * tape.shape[1]
        for t in range(length):
            mixed, alpha = x + m, x + (m + size)
            gather(x, states, first, t)
            gather(x + n, controls, first, t)
            mix(mixed, alpha, x, numbers_of(theta), widths, numbers_of(base), m, size, work)
            product(mean, mixed, x, n, m, 1, False, 1.0)
            scatter(means, first, t, mean)
            scatter(spreads, first, t, mixed + n * m)
            x = alpha + count


def moments_backward(
    to_means: Any,
    to_spreads: Any,
    theta: Any,
    widths: Any,
    base: Any,
    tape: Any,
    to_states: Any,
    to_theta: Any,
    to_base: Any,
    controls: int,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`moments_forward` has set to those of what it was given; everything from
    ``to_states`` to ``to_base`` is set."""
    batch, length, n = to_states.shape
    m, (count, size) = n + controls, base.shape
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    to_mean = base_sums + count * size
    to_state, found, xs = to_mean + n, to_mean + 2 * n, to_mean + 3 * n
    alphas = xs + STEPS_AT_ONCE * m
    back = alphas + STEPS_AT_ONCE * count
    work = back_tape(back, sum_of(widths), size, count)[4]
    to_mixed = back_tape(back, sum_of(widths), size, count)[2]
    fill(sums, theta.shape[0] + count * size, 0.0)
    held = 0
    for first in range(0, batch, LANES):
        x = rows_of(tape) + first // LANES * tape.shape[1]
        for t in range(length):
            mixed, alpha, to_dynamics = x + m, x + (m + size), to_mixed + held * size
            copy(xs + held * m, x, m)
            copy(alphas + held * count, alpha, count)
            fill(to_dynamics, size, 0.0)
            gather_gradient(to_mean, to_means, first, t)
            gather_gradient(to_dynamics + n * m, to_spreads, first, t)
            product_t(to_dynamics, to_mean, x, n, 1, m, False, 1.0)
            leading(work, mixed, n, m)
            t_product(to_state, work, to_mean, n, n, 1, False, 1.0)
            mix_back(found, back, held, alpha, x, numbers_of(theta), widths, numbers_of(base), n, m, size)
            held += 1
            if held == STEPS_AT_ONCE:
                mix_sums(sums, base_sums, back, held, alphas, xs, widths, m, size)
                held = 0
            add(to_state, found, n)
            scatter(to_states, first, t, to_state)
            x = alpha + count
    mix_sums(sums, base_sums, back, held, alphas, xs, widths, m, size)
    totals(to_theta, sums)
    totals(to_base, base_sums)
