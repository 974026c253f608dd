"""The Kalman filter's two steps at eight sequences at once, and their adjoints.

The arithmetic is that of :mod:`latentrl.inference.kalman_adjoint`: the Joseph form forwards, and backwards the
derivative of the short form that equals it.
"""

from __future__ import annotations

from latentrl.inference.backends.numba_kernels.lanes import Rows, apart, part
from latentrl.inference.backends.numba_kernels.small import (
    add,
    copy,
    invert,
    one_minus,
    product,
    product_t,
    symmetrise,
    t_product,
)


@part
def update(
    mean: Rows,
    covariance: Rows,
    observation: Rows,
    emission: Rows,
    noise: Rows,
    gain: Rows,
    whitened: Rows,
    n: int,
    d: int,
    work: Rows,
) -> None:
    """The update, in place.

    Args:
        mean: ``[Dz]``.
        covariance: ``[Dz, Dz]``.
        observation: ``[Da]``, zero where it is missing.
        emission: H ``[Da, Dz]``, with rows of zeros where an observation is missing.
        noise: R ``[Da, Da]``, without covariances of what is missing.
        gain: set to K ``[Dz, Da]``.
        whitened: set to S^-1 (a - H m) ``[Da]``.
        n: Dz.
        d: Da.
        work: 5 s² for the larger s of both.
    """
    apart()
    side = max(n, d)
    first, second, third, spare = work, work + side * side, work + 2 * side * side, work + 3 * side * side
    product_t(first, covariance, emission, n, n, d, False, 1.0)
    copy(second, noise, d * d)
    product(second, emission, first, d, n, d, True, 1.0)
    invert(third, second, d, spare)
    product(gain, first, third, n, d, d, False, 1.0)
    copy(second, observation, d)
    product(second, emission, mean, d, n, 1, True, -1.0)
    product(whitened, third, second, d, d, 1, False, 1.0)
    product(mean, gain, second, n, d, 1, True, 1.0)
    product(first, gain, emission, n, d, n, False, 1.0)
    one_minus(first, n)
    product(second, first, covariance, n, n, n, False, 1.0)
    product_t(covariance, second, first, n, n, n, False, 1.0)
    product(third, gain, noise, n, d, d, False, 1.0)
    product_t(covariance, third, gain, n, d, n, True, 1.0)
    symmetrise(covariance, n)


@part
def update_back(
    to_mean: Rows,
    to_covariance: Rows,
    to_observation: Rows,
    to_noise: Rows,
    gain: Rows,
    whitened: Rows,
    emission: Rows,
    n: int,
    d: int,
    work: Rows,
) -> None:
    """From the gradients of the updated belief to those of the predicted one, in place, and of a and R.

    Args:
        to_mean: ``[Dz]``.
        to_covariance: ``[Dz, Dz]``; its symmetric part counts.
        to_observation: ``[Da]``, set.
        to_noise: ``[Da, Da]``, set.
        gain: K.
        whitened: S^-1 (a - H m).
        emission: H.
        n: Dz.
        d: Da.
        work: 2 s² for the larger s of both.
    """
    apart()
    shrink, moved = work, work + max(n, d) * max(n, d)
    symmetrise(to_covariance, n)
    t_product(to_observation, gain, to_mean, d, n, 1, False, 1.0)
    t_product(moved, gain, to_covariance, d, n, n, False, 1.0)
    product(to_noise, moved, gain, d, n, d, False, 1.0)
    product_t(to_noise, to_observation, whitened, d, 1, d, True, -1.0)
    product(shrink, gain, emission, n, d, n, False, 1.0)
    one_minus(shrink, n)
    t_product(moved, shrink, to_mean, n, n, 1, False, 1.0)
    copy(to_mean, moved, n)
    t_product(moved, shrink, to_covariance, n, n, n, False, 1.0)
    product(to_covariance, moved, shrink, n, n, n, False, 1.0)
    t_product(moved, emission, whitened, n, d, 1, False, 1.0)
    product_t(to_covariance, to_mean, moved, n, 1, n, True, 1.0)


@part
def emission_back(
    to_emission: Rows,
    to_mean: Rows,
    to_covariance: Rows,
    to_observation: Rows,
    gain: Rows,
    whitened: Rows,
    mean: Rows,
    covariance: Rows,
    n: int,
    d: int,
    work: Rows,
) -> None:
    """The gradient of H ``[Da, Dz]``, set; from what :func:`update_back` begins with and the updated belief.

    ``to_observation`` is set on the way; ``work`` of 2 s² for the larger s of Dz and Da.
    """
    apart()
    spread, moved = work, work + max(n, d) * max(n, d)
    symmetrise(to_covariance, n)
    t_product(to_observation, gain, to_mean, d, n, 1, False, 1.0)
    product(spread, covariance, to_mean, n, n, 1, False, 1.0)
    product_t(to_emission, whitened, spread, d, 1, n, False, 1.0)
    product_t(to_emission, to_observation, mean, d, 1, n, True, -1.0)
    t_product(moved, gain, to_covariance, d, n, n, False, 1.0)
    product(to_emission, moved, covariance, d, n, n, True, -2.0)


@part
def predict(
    mean: Rows, covariance: Rows, inputs: Rows, dynamics: Rows, noise: Rows, n: int, m: int, work: Rows
) -> None:
    """The prediction, in place.

    Args:
        mean: ``[Dz]``, set.
        covariance: ``[Dz, Dz]``.
        inputs: the filtered mean and the control ``[Dz + Du]``.
        dynamics: [F | B] ``[Dz, Dz + Du]``.
        noise: Q ``[Dz, Dz]``.
        n: Dz.
        m: Dz + Du.
        work: 2 Dz².
    """
    apart()
    transition, moved = work, work + n * n
    leading(transition, dynamics, n, m)
    product(mean, dynamics, inputs, n, m, 1, False, 1.0)
    product(moved, transition, covariance, n, n, n, False, 1.0)
    product_t(covariance, moved, transition, n, n, n, False, 1.0)
    add(covariance, noise, n * n)


@part
def predict_back(
    to_mean: Rows,
    to_covariance: Rows,
    to_dynamics: Rows,
    covariance: Rows,
    inputs: Rows,
    dynamics: Rows,
    n: int,
    m: int,
    work: Rows,
) -> None:
    """From the gradients of the prediction to those of the filtered belief, in place, and of [F | B].

    The gradient of Q is that of the covariance before this.

    Args:
        to_mean: ``[Dz]``.
        to_covariance: ``[Dz, Dz]``.
        to_dynamics: ``[Dz, Dz + Du]``, added to.
        covariance: filtered.
        inputs: the filtered mean and the control ``[Dz + Du]``.
        dynamics: [F | B].
        n: Dz.
        m: Dz + Du.
        work: 3 Dz².
    """
    apart()
    transition, moved, both = work, work + n * n, work + 2 * n * n
    leading(transition, dynamics, n, m)
    product_t(to_dynamics, to_mean, inputs, n, 1, m, True, 1.0)
    product(moved, transition, covariance, n, n, n, False, 1.0)
    for r in range(n):
        for c in range(n):
            both[r * n + c] = to_covariance[r * n + c] + to_covariance[c * n + r]
    for r in range(n):
        product(to_dynamics + r * m, both + r * n, moved, 1, n, n, True, 1.0)
    t_product(both, transition, to_mean, n, n, 1, False, 1.0)
    copy(to_mean, both, n)
    t_product(both, transition, to_covariance, n, n, n, False, 1.0)
    product(to_covariance, both, transition, n, n, n, False, 1.0)


@part
def leading(out: Rows, a: Rows, n: int, m: int) -> None:
    """The leading columns ``[n, n]`` of ``a [n, m]``."""
    for r in range(n):
        copy(out + r * n, a + r * m, n)


@part
def only_seen(emission: Rows, noise: Rows, seen: Rows, h: Rows, r: Rows, d: int, n: int) -> None:
    """H and R of what is observed: rows and covariances of missing dimensions are zero, variances stay.

    Args:
        emission, noise: set.
        seen: ones and zeros ``[Da]``.
        h: H ``[Da, Dz]``.
        r: R ``[Da, Da]``.
        d: Da.
        n: Dz.
    """
    apart()
    for i in range(d):
        for c in range(n):
            emission[i * n + c] = seen[i] * h[i * n + c]
        for c in range(d):
            noise[i * d + c] = r[i * d + c] if c == i else seen[i] * seen[c] * r[i * d + c]
