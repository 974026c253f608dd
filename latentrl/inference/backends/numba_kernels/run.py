"""A filter's run over all time steps of eight sequences, as lanes: what filter, smoother and paths hand to each other.

Of T steps, m_t ``[T, Dz]``, P_t ``[T, Dz, Dz]``, the predictions m-_t and P-_t of the same sizes, and F and Q
``[T - 1, Dz, Dz]``, one after the other; their gradients lie in the same way. Functions that say where something lies
take a place, or 0: then they say how much there is.
"""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import Rows, apart, part
from latentrl.inference.backends.numba_kernels.small import gather, gather_gradient, scatter


@part
def run_tape(start: Any, length: int, n: int) -> Any:
    """Where m, P, m-, P-, F and Q lie, and what comes after them."""
    covariance = start + length * n
    predicted = covariance + length * n * n
    expected = predicted + length * n
    transitions = expected + length * n * n
    noises = transitions + (length - 1) * n * n
    return start, covariance, predicted, expected, transitions, noises, noises + (length - 1) * n * n


@part
def gather_run(
    run: Rows, mean: Any, covariance: Any, predicted: Any, expected: Any, transitions: Any, noises: Any, first: int
) -> None:
    """Read a run from arrays ``[B, T, n]``, matrices flat."""
    apart()
    length, n = mean.shape[1], mean.shape[2]
    to_mean, to_covariance, to_predicted, to_expected, to_transitions, to_noises, _ = run_tape(run, length, n)
    for t in range(length):
        gather(to_mean + t * n, mean, first, t)
        gather(to_covariance + t * n * n, covariance, first, t)
        gather(to_predicted + t * n, predicted, first, t)
        gather(to_expected + t * n * n, expected, first, t)
        if t + 1 < length:
            gather(to_transitions + t * n * n, transitions, first, t)
            gather(to_noises + t * n * n, noises, first, t)


@part
def gather_run_gradient(
    run: Rows, mean: Any, covariance: Any, predicted: Any, expected: Any, transitions: Any, noises: Any, first: int
) -> None:
    """Like :func:`gather_run`; after the last sequence come zeros."""
    apart()
    length, n = mean.shape[1], mean.shape[2]
    to_mean, to_covariance, to_predicted, to_expected, to_transitions, to_noises, _ = run_tape(run, length, n)
    for t in range(length):
        gather_gradient(to_mean + t * n, mean, first, t)
        gather_gradient(to_covariance + t * n * n, covariance, first, t)
        gather_gradient(to_predicted + t * n, predicted, first, t)
        gather_gradient(to_expected + t * n * n, expected, first, t)
        if t + 1 < length:
            gather_gradient(to_transitions + t * n * n, transitions, first, t)
            gather_gradient(to_noises + t * n * n, noises, first, t)


@part
def scatter_run(
    mean: Any, covariance: Any, predicted: Any, expected: Any, transitions: Any, noises: Any, first: int, run: Rows
) -> None:
    """The inverse of :func:`gather_run`."""
    apart()
    length, n = mean.shape[1], mean.shape[2]
    of_mean, of_covariance, of_predicted, of_expected, of_transitions, of_noises, _ = run_tape(run, length, n)
    for t in range(length):
        scatter(mean, first, t, of_mean + t * n)
        scatter(covariance, first, t, of_covariance + t * n * n)
        scatter(predicted, first, t, of_predicted + t * n)
        scatter(expected, first, t, of_expected + t * n * n)
        if t + 1 < length:
            scatter(transitions, first, t, of_transitions + t * n * n)
            scatter(noises, first, t, of_noises + t * n * n)


@part
def gather_steps(out: Rows, values: Any, first: int) -> None:
    """All steps of ``values [B, T, n]``: see :func:`gather`."""
    apart()
    for t in range(values.shape[1]):
        gather(out + t * values.shape[2], values, first, t)


@part
def gather_steps_gradient(out: Rows, values: Any, first: int) -> None:
    """All steps of ``values [B, T, n]``: see :func:`gather_gradient`."""
    apart()
    for t in range(values.shape[1]):
        gather_gradient(out + t * values.shape[2], values, first, t)


@part
def scatter_steps(values: Any, first: int, source: Rows) -> None:
    """The inverse of :func:`gather_steps`."""
    apart()
    for t in range(values.shape[1]):
        scatter(values, first, t, source + t * values.shape[2])
