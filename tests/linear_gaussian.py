"""A random linear-Gaussian system, and its smoothing distribution without a recursion."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.numerics.distributions import LOG_2PI

BATCH, LENGTH, STATE, OBSERVED = 4, 6, 3, 2


class System(NamedTuple):
    """A random time-varying linear-Gaussian system, with observations drawn from nothing in particular."""

    mean: Tensor  # [B, Dz]
    covariance: Tensor  # [B, Dz, Dz]
    transitions: Tensor  # [B, T - 1, Dz, Dz]
    offsets: Tensor  # [B, T - 1, Dz]
    noises: Tensor  # [B, T - 1, Dz, Dz]
    emission: Tensor  # [Da, Dz]
    emission_noise: Tensor  # [Da, Da]
    observations: Tensor  # [B, T, Da]


def random_covariance(*shape: int, generator: torch.Generator) -> Tensor:
    root = torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(shape[-1], dtype=torch.float64)


def random_system() -> System:
    """The same one at every call."""
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    return System(
        normal(BATCH, STATE),
        random_covariance(BATCH, STATE, generator=g),
        normal(BATCH, LENGTH - 1, STATE, STATE),
        normal(BATCH, LENGTH - 1, STATE),
        random_covariance(BATCH, LENGTH - 1, STATE, generator=g),
        normal(OBSERVED, STATE),
        random_covariance(OBSERVED, generator=g),
        normal(BATCH, LENGTH, OBSERVED),
    )


def joint_posterior(system: System, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and covariance of z_1:T given the present observations, and their log-likelihood, from the joint Gaussian.

    ``present [T]`` is shared by the batch. Everything is done with the full matrices of z_1:T: no recursion over time.
    """
    total = LENGTH * STATE
    mean = torch.zeros(BATCH, total, dtype=torch.float64)
    # z = A w with w = (z_1, q_1, ..., q_{T-1}) independent: A is block lower triangular.
    maps = torch.zeros(BATCH, total, total, dtype=torch.float64)
    sources = torch.zeros(BATCH, total, total, dtype=torch.float64)
    for t in range(LENGTH):
        rows = slice(t * STATE, (t + 1) * STATE)
        if t == 0:
            mean[:, rows], sources[:, rows, rows] = system.mean, system.covariance
        else:
            before = slice((t - 1) * STATE, t * STATE)
            f = system.transitions[:, t - 1]
            mean[:, rows] = (f @ mean[:, before].unsqueeze(-1)).squeeze(-1) + system.offsets[:, t - 1]
            maps[:, rows] = f @ maps[:, before]
            sources[:, rows, rows] = system.noises[:, t - 1]
        maps[:, rows, rows] = torch.eye(STATE, dtype=torch.float64)
    prior = maps @ sources @ maps.mT
    kept = [t for t in range(LENGTH) if present[t]]
    emission = torch.zeros(len(kept) * OBSERVED, total, dtype=torch.float64)
    for row, t in enumerate(kept):
        emission[row * OBSERVED : (row + 1) * OBSERVED, t * STATE : (t + 1) * STATE] = system.emission
    noise = torch.block_diag(*[system.emission_noise] * len(kept))
    observed = system.observations[:, kept].flatten(1)
    precision = torch.linalg.inv(prior) + emission.T @ torch.linalg.inv(noise) @ emission
    covariance = torch.linalg.inv(precision)
    residual = observed - mean @ emission.T
    posterior = mean + (covariance @ (emission.T @ torch.linalg.inv(noise) @ residual.unsqueeze(-1))).squeeze(-1)
    marginal = emission @ prior @ emission.T + noise
    log_likelihood = -0.5 * (
        (residual * torch.linalg.solve(marginal, residual)).sum(-1)
        + torch.logdet(marginal)
        + LOG_2PI * residual.shape[-1]
    )
    return posterior, covariance, log_likelihood
