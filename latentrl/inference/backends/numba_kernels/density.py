"""The density of trajectories and of what is observed of them, log p(z_2:T | z_1, u) and log p(a_1:T | z_1:T)."""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.gate import STEPS_AT_ONCE, back_tape, mix, mix_back, mix_sums, sum_of
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
from latentrl.inference.backends.numba_kernels.run import gather_steps, scatter_steps
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

LOG_2PI = 1.8378770664093453


@part
def density_tape(start: Any, length: int, m: int, size: int, count: int) -> Any:
    """Where (z, u), what was mixed and alpha lie, and what comes after them."""
    mixed = start + (length - 1) * m
    alphas = mixed + (length - 1) * size
    return start, mixed, alphas, alphas + (length - 1) * count


@part
def density_block(
    emission: Rows,
    transition: Rows,
    tape: Rows,
    states: Rows,
    observations: Rows,
    controls: Rows,
    r: Rows,
    inverse: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    length: int,
    n: int,
    d: int,
    m: int,
    size: int,
    work: Rows,
) -> None:
    """Both sums over time of eight sequences; ``work`` of 2 n + d and the sum of the widths."""
    apart()
    count = widths[len(widths) - 1]
    xs, mixed, alphas, _ = density_tape(tape, length, m, size, count)
    error, own, log_r, spare = work, work + n, work + 2 * n, work + (2 * n + d)
    constant = splat(length * d * LOG_2PI)
    for i in range(d):
        log_r[i] = logarithm(r[i])
        constant = constant + float(length) * log_r[i]
    emission[0] = -0.5 * constant
    transition[0] = splat(-0.5 * (length - 1) * n * LOG_2PI)
    for t in range(length):
        state = states + t * n
        for i in range(d):
            missed = observations[t * d + i] - state[i]
            emission[0] = emission[0] - 0.5 * (missed * missed / r[i])
        if t + 1 < length:
            x, found = xs + t * m, mixed + t * size
            copy(x, state, n)
            copy(x + n, controls + t * (m - n), m - n)
            mix(found, alphas + t * count, x, theta, widths, base, m, size, spare)
            copy(error, state + n, n)
            product(error, found, x, n, m, 1, True, -1.0)
            product(own, inverse, error, n, n, 1, False, 1.0)
            for i in range(n):
                q = found[n * m + i]
                transition[0] = transition[0] - 0.5 * (own[i] * own[i] / q + logarithm(q))


@part
def density_block_back(
    to_states: Rows,
    to_observations: Rows,
    noise_sums: Rows,
    sums: Rows,
    base_sums: Rows,
    to_emission: Rows,
    to_transition: Rows,
    tape: Rows,
    states: Rows,
    observations: Rows,
    r: Rows,
    inverse: Rows,
    theta: Numbers,
    widths: Any,
    base: Numbers,
    length: int,
    n: int,
    d: int,
    m: int,
    size: int,
    back: Rows,
    work: Rows,
) -> None:
    """The adjoint of :func:`density_block`; what is before ``to_emission`` is added to."""
    apart()
    count = widths[len(widths) - 1]
    xs, mixed, alphas, _ = density_tape(tape, length, m, size, count)
    to_mixed = back_tape(back, sum_of(widths), size, count)[2]
    error, own, found, matrix = work, work + n, work + 2 * n, work + 3 * n
    for t in range(length):
        state, to_state = states + t * n, to_states + t * n
        for i in range(d):
            missed = (observations[t * d + i] - state[i]) / r[i]
            slope = to_emission[0] * missed
            to_state[i] = to_state[i] + slope
            to_observations[t * d + i] = to_observations[t * d + i] - slope
            noise_sums[i] = noise_sums[i] + 0.5 * (slope * missed - to_emission[0] / r[i])
        if t + 1 < length:
            x, dynamics, place = xs + t * m, mixed + t * size, t % STEPS_AT_ONCE
            to_dynamics = to_mixed + place * size
            fill(to_dynamics, size, 0.0)
            copy(error, state + n, n)
            product(error, dynamics, x, n, m, 1, True, -1.0)
            product(own, inverse, error, n, n, 1, False, 1.0)
            for i in range(n):
                q = dynamics[n * m + i]
                scaled = own[i] / q
                to_dynamics[n * m + i] = 0.5 * to_transition[0] * (scaled * scaled - 1.0 / q)
                own[i] = to_transition[0] * scaled
            # The gradient of the mean; that of the state after it is the opposite.
            t_product(error, inverse, own, n, n, 1, False, 1.0)
            for i in range(n):
                to_state[n + i] = to_state[n + i] - error[i]
            product_t(to_dynamics, error, x, n, 1, m, False, 1.0)
            leading(matrix, dynamics, n, m)
            t_product(to_state, matrix, error, n, n, 1, True, 1.0)
            mix_back(found, back, place, alphas + t * count, x, theta, widths, base, n, m, size)
            add(to_state, found, n)
            if place + 1 == STEPS_AT_ONCE or t + 2 == length:
                mix_sums(
                    sums, base_sums, back, place + 1, alphas + (t - place) * count, x + -place * m, widths, m, size
                )


def density_forward(
    states: Any,
    controls: Any,
    observations: Any,
    noise: Any,
    inverse: Any,
    theta: Any,
    widths: Any,
    base: Any,
    emissions: Any,
    transitions: Any,
    tape: Any,
    scratch: Any,
) -> None:
    """``emissions [B, 1, 1]`` and ``transitions [B, 1, 1]`` of ``states [B, T, Dz]``, without the gauge's determinant.

    ``noise [1, Da]`` is the diagonal of R; ``inverse [Dz, Dz]`` leads to the gauge that Q is diagonal in.
    """
    batch, length, n = states.shape
    m, d, (count, size) = n + controls.shape[2], observations.shape[2], base.shape
    emission = rows_of(scratch)
    transition, r, turn = emission + 1, emission + 2, emission + (2 + d)
    work = turn + n * n
    spread(turn, inverse)
    spread(r, noise)
    for first in range(0, batch, LANES):
        own = rows_of(tape) + first // LANES * tape.shape[1]
        state = density_tape(own, length, m, size, count)[3]
        observed, control = state + length * n, state + length * (n + d)
        gather_steps(state, states, first)
        gather_steps(observed, observations, first)
        gather_steps(control, controls, first)
        density_block(
            emission, transition, own, state, observed, control, r, turn,
            numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, work,
        )  # fmt: skip
        scatter(emissions, first, 0, emission)
        scatter(transitions, first, 0, transition)


def density_backward(
    to_emissions: Any,
    to_transitions: Any,
    noise: Any,
    inverse: Any,
    theta: Any,
    widths: Any,
    base: Any,
    tape: Any,
    to_states: Any,
    to_observations: Any,
    to_noise: Any,
    to_theta: Any,
    to_base: Any,
    controls: int,
    scratch: Any,
) -> None:
    """From the gradients of what :func:`density_forward` has set to those of what it was given; everything from
    ``to_states`` to ``to_base`` is set."""
    batch, length, n = to_states.shape
    m, d, (count, size) = n + controls, to_observations.shape[2], base.shape
    sums = rows_of(scratch)
    base_sums = sums + theta.shape[0]
    noise_sums = base_sums + count * size
    r, turn = noise_sums + d, noise_sums + 2 * d
    to_emission, to_transition, to_state = turn + n * n, turn + (n * n + 1), turn + (n * n + 2)
    to_observed = to_state + length * n
    back = to_observed + length * d
    work = back_tape(back, sum_of(widths), size, count)[4]
    fill(sums, theta.shape[0] + count * size + d, 0.0)
    spread(turn, inverse)
    spread(r, noise)
    for first in range(0, batch, LANES):
        own = rows_of(tape) + first // LANES * tape.shape[1]
        state = density_tape(own, length, m, size, count)[3]
        gather_gradient(to_emission, to_emissions, first, 0)
        gather_gradient(to_transition, to_transitions, first, 0)
        fill(to_state, length * (n + d), 0.0)
        density_block_back(
            to_state, to_observed, noise_sums, sums, base_sums, to_emission, to_transition, own, state,
            state + length * n, r, turn, numbers_of(theta), widths, numbers_of(base), length, n, d, m, size, back, work,
        )  # fmt: skip
        scatter_steps(to_states, first, to_state)
        scatter_steps(to_observations, first, to_observed)
    totals(to_theta, sums)
    totals(to_base, base_sums)
    totals(to_noise, noise_sums)
