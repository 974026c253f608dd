"""A path of a posterior that corrects every prediction, Eq. 4.12, and its divergence from the transition.

The arithmetic is that of :func:`latentrl.inference.posterior_chain.sample_chain`, at eight sequences at once.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE, back_tape, mix, mix_back, mix_sums, sum_of
from latentrl.inference.backends.numba_kernels.lanes import (
    LANES,
    Rows,
    apart,
    logarithm,
    numbers_of,
    part,
    root,
    rows_of,
    splat,
)
from latentrl.inference.backends.numba_kernels.run import gather_steps, gather_steps_gradient, scatter_steps
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    fill,
    gather_gradient,
    product,
    product_t,
    scatter,
    spread,
    t_product,
    totals,
)
from latentrl.inference.backends.numba_kernels.steps import leading


@part
def chain_tape(start: Any, length: int, n: int, m: int, size: int, count: int) -> Any:
    """Where states, means and variances of the factors, normal numbers, controls, (z, u), what was mixed and alpha lie,
    and what comes after them."""
    steps = length - 1
    means = start + length * n
    variances = means + steps * n
    draws = variances + steps * n
    controls = draws + steps * n
    xs = controls + steps * (m - n)
    mixed = xs + steps * m
    alphas = mixed + steps * size
    return start, means, variances, draws, controls, xs, mixed, alphas, alphas + steps * count


@part
def seen_noise(out: Rows, variances: Rows, turn: Rows, n: int) -> None:
    """The diagonal of Q = gauge diag(q) gauge'."""
    apart()
    for r in range(n):
        found = splat(0.0)
        for c in range(n):
            found = found + turn[r * n + c] * turn[r * n + c] * variances[c]
        out[r] = found


def chain_forward(
    first_states: Any,
    means: Any,
    variances: Any,
    controls: Any,
    draws: Any,
    gauge: Any,
    theta: Any,
    widths: Any,
    base: Any,
    states: Any,
    divergences: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """``states [B, T, Dz]`` and ``divergences [B, 1, 1]`` are set; ``first_states`` are ``[B, 1, Dz]``, factors and
    standard normal ``draws [B, T - 1, Dz]``."""
    batch, length, n = states.shape
    m, (count, size) = n + controls.shape[2], base.shape
    turn = rows_of(scratch)
    divergence, predicted, q = turn + n * n, turn + (n * n + 1), turn + (n * n + 1 + n)
    work = q + n
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        own = rows_of(tape) + first // LANES * tape.shape[1]
        path, mu, spreads, noise, control, xs, mixed, alphas, _ = chain_tape(own, length, n, m, size, count)
        gather_steps(path, first_states, first)
        gather_steps(mu, means, first)
        gather_steps(spreads, variances, first)
        gather_steps(noise, draws, first)
        gather_steps(control, controls, first)
        divergence[0] = splat(0.0)
        for t in range(length - 1):
            x, found = xs + t * m, mixed + t * size
            copy(x, path + t * n, n)
            copy(x + n, control + t * (m - n), m - n)
            mix(found, alphas + t * count, x, numbers_of(theta), widths, numbers_of(base), m, size, work)
            product(predicted, found, x, n, m, 1, False, 1.0)
            seen_noise(q, found + n * m, turn, n)
            for i in range(n):
                r = spreads[t * n + i]
                both = q[i] + r
                gain, missed = q[i] / both, mu[t * n + i] - predicted[i]
                path[(t + 1) * n + i] = predicted[i] + gain * missed + root(gain * r) * noise[t * n + i]
                told = gain * (missed * missed / both) - gain + (logarithm(both) - logarithm(r))
                divergence[0] = divergence[0] + 0.5 * told
        scatter_steps(states, first, path)
        scatter(divergences, first, 0, divergence)


def chain_backward(
    to_states: Any,
    to_divergences: Any,
    gauge: Any,
    theta: Any,
    widths: Any,
    base: Any,
    tape: Any,
    to_first: Any,
    to_means: Any,
    to_variances: Any,
    to_theta: Any,
    to_base: Any,
    controls: int,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`chain_forward` has set to those of what it was given; everything from
    ``to_first`` to ``to_base`` is set."""
    batch, length, n = to_states.shape
    m, (count, size) = n + controls, base.shape
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    turn = base_sums + count * size
    to_divergence, predicted, q = turn + n * n, turn + (n * n + 1), turn + (n * n + 1 + n)
    to_predicted, to_q, found, matrix = q + n, q + 2 * n, q + 3 * n, q + 4 * n
    to_path = matrix + n * n
    to_mu, to_spreads = to_path + length * n, to_path + 2 * length * n
    back = to_spreads + length * n
    to_mixed = back_tape(back, sum_of(widths), size, count)[2]
    fill(sums, theta.shape[0] + count * size, 0.0)
    spread(turn, gauge)
    for first in range(0, batch, LANES):
        own = rows_of(tape) + first // LANES * tape.shape[1]
        _, mu, spreads, noise, _, xs, mixed, alphas, _ = chain_tape(own, length, n, m, size, count)
        gather_steps_gradient(to_path, to_states, first)
        gather_gradient(to_divergence, to_divergences, first, 0)
        slope = 0.5 * to_divergence[0]
        for t in range(length - 2, -1, -1):
            x, dynamics, place = xs + t * m, mixed + t * size, t % STEPS_AT_ONCE
            to_dynamics = to_mixed + place * size
            product(predicted, dynamics, x, n, m, 1, False, 1.0)
            seen_noise(q, dynamics + n * m, turn, n)
            for i in range(n):
                grad, r, eps = to_path[(t + 1) * n + i], spreads[t * n + i], noise[t * n + i]
                both = q[i] + r
                gain, missed = q[i] / both, (mu[t * n + i] - predicted[i]) / both
                half = 0.5 * root(gain * r) * eps * grad
                pull = 2.0 * slope * gain * missed
                to_predicted[i] = grad * (r / both) - pull
                to_mu[t * n + i] = grad * gain + pull
                square = missed * missed
                to_q[i] = (r / both) * (grad * missed + half / q[i]) + slope * (
                    square - 2.0 * gain * square + gain / both
                )
                to_spreads[t * n + i] = gain * (half / r - grad * missed) + slope * (
                    gain / both - 2.0 * gain * square - gain / r
                )
            fill(to_dynamics, size, 0.0)
            product_t(to_dynamics, to_predicted, x, n, 1, m, False, 1.0)
            for c in range(n):
                for i in range(n):
                    weight = turn[i * n + c] * turn[i * n + c]
                    to_dynamics[n * m + c] = to_dynamics[n * m + c] + weight * to_q[i]
            leading(matrix, dynamics, n, m)
            t_product(to_path + t * n, matrix, to_predicted, n, n, 1, True, 1.0)
            mix_back(found, back, place, alphas + t * count, x, numbers_of(theta), widths, numbers_of(base), n, m, size)
            add(to_path + t * n, found, n)
            if place == 0:
                steps = min(STEPS_AT_ONCE, length - 1 - t)
                mix_sums(sums, base_sums, back, steps, alphas + t * count, x, widths, m, size)
        scatter(to_first, first, 0, to_path)
        scatter_steps(to_means, first, to_mu)
        scatter_steps(to_variances, first, to_spreads)
    totals(to_theta, sums)
    totals(to_base, base_sums)
