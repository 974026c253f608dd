"""The Kalman filter of a model whose F, B, Q and H are given for every step, at eight sequences at once."""

from __future__ import annotations

from typing import Any

from latentrl.inference.backends.numba_kernels.lanes import LANES, rows_of, total
from latentrl.inference.backends.numba_kernels.small import (
    add,
    fill,
    gather,
    gather_gradient,
    scatter,
    spread,
)
from latentrl.inference.backends.numba_kernels.steps import emission_back, predict, predict_back, update, update_back


def linear_forward(
    prior_mean: Any,
    prior_covariance: Any,
    observations: Any,
    controls: Any,
    emissions: Any,
    noise: Any,
    dynamics: Any,
    noises: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    predicted_mean: Any,
    predicted_covariance: Any,
    gains: Any,
    whiteneds: Any,
    scratch: Any,
) -> None:
    """Everything from ``filtered_mean`` on is set; ``noises [B, T - 1, Dz]`` are the diagonals of Q."""
    batch, length, d = observations.shape
    n = filtered_mean.shape[2]
    m = n + controls.shape[2]
    mean = rows_of(scratch)
    covariance = mean + n
    h, r = covariance + n * n, covariance + (n * n + d * n)
    observation = r + d * d
    inputs = observation + d
    moved, variances = inputs + m, inputs + (m + n * m)
    q = variances + n
    work = q + n * n
    spread(r, noise)
    fill(q, n * n, 0.0)
    for first in range(0, batch, LANES):
        gain = rows_of(gains) + first // LANES * length * n * d
        whitened = rows_of(whiteneds) + first // LANES * length * d
        gather(mean, prior_mean, first, 0)
        gather(covariance, prior_covariance, first, 0)
        for t in range(length):
            scatter(predicted_mean, first, t, mean)
            scatter(predicted_covariance, first, t, covariance)
            gather(observation, observations, first, t)
            gather(h, emissions, first, t)
            update(mean, covariance, observation, h, r, gain, whitened, n, d, work)
            scatter(filtered_mean, first, t, mean)
            scatter(filtered_covariance, first, t, covariance)
            gain, whitened = gain + n * d, whitened + d
            if t + 1 < length:
                for i in range(n):
                    inputs[i] = mean[i]
                gather(inputs + n, controls, first, t)
                gather(moved, dynamics, first, t)
                gather(variances, noises, first, t)
                for i in range(n):
                    q[i * n + i] = variances[i]
                predict(mean, covariance, inputs, moved, q, n, m, work)


def linear_backward(
    to_filtered_mean: Any,
    to_filtered_covariance: Any,
    to_predicted_mean: Any,
    to_predicted_covariance: Any,
    filtered_mean: Any,
    filtered_covariance: Any,
    controls: Any,
    emissions: Any,
    dynamics: Any,
    gains: Any,
    whiteneds: Any,
    to_prior_mean: Any,
    to_prior_covariance: Any,
    to_observations: Any,
    to_emissions: Any,
    to_noise: Any,
    to_dynamics: Any,
    to_noises: Any,
    scratch: Any,
) -> None:
    """From the gradients of the beliefs to those of all that :func:`linear_forward` was given; everything from
    ``to_prior_mean`` on is set."""
    batch, length, n = filtered_mean.shape
    d, m = to_noise.shape[0], n + controls.shape[2]
    mean = rows_of(scratch)
    covariance, found = mean + n, mean + (n + n * n)
    h, to_h, inputs = found + n * n, found + (n * n + d * n), found + (n * n + 2 * d * n)
    to_observation, to_r = inputs + m, inputs + (m + d)
    noise_sums, moved = to_r + d * d, to_r + 2 * d * d
    to_moved, filtered = moved + n * m, moved + 2 * n * m
    work = filtered + n * n
    fill(noise_sums, d * d, 0.0)
    for first in range(0, batch, LANES):
        fill(mean, n + n * n, 0.0)
        for t in range(length - 1, -1, -1):
            gather(inputs, filtered_mean, first, t)
            gather(filtered, filtered_covariance, first, t)
            if t + 1 < length:
                # From the prediction for t + 1 to the belief at t.
                gather(inputs + n, controls, first, t)
                gather(moved, dynamics, first, t)
                for i in range(n):
                    found[i] = covariance[i * n + i]
                scatter(to_noises, first, t, found)
                fill(to_moved, n * m, 0.0)
                predict_back(mean, covariance, to_moved, filtered, inputs, moved, n, m, work)
                scatter(to_dynamics, first, t, to_moved)
            gather_gradient(found, to_filtered_mean, first, t)
            add(mean, found, n)
            gather_gradient(found, to_filtered_covariance, first, t)
            add(covariance, found, n * n)
            step = first // LANES * length + t
            gain, whitened = rows_of(gains) + step * n * d, rows_of(whiteneds) + step * d
            gather(h, emissions, first, t)
            emission_back(to_h, mean, covariance, to_observation, gain, whitened, inputs, filtered, n, d, work)
            scatter(to_emissions, first, t, to_h)
            update_back(mean, covariance, to_observation, to_r, gain, whitened, h, n, d, work)
            scatter(to_observations, first, t, to_observation)
            add(noise_sums, to_r, d * d)
            gather_gradient(found, to_predicted_mean, first, t)
            add(mean, found, n)
            gather_gradient(found, to_predicted_covariance, first, t)
            add(covariance, found, n * n)
        scatter(to_prior_mean, first, 0, mean)
        scatter(to_prior_covariance, first, 0, covariance)
    for i in range(d):
        for c in range(d):
            to_noise[i, c] = total(noise_sums[i * d + c])
