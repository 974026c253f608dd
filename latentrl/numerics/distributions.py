"""Small multivariate normals: what ``torch.distributions`` lacks in speed for many matrices of a few rows.

``torch.linalg.cholesky`` calls LAPACK once for every matrix of the batch; for Dz of 3 to 8 the loop over columns below
works on the whole batch at once and differentiates through plain arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def cholesky(matrix: Tensor) -> Tensor:
    """Lower Cholesky factor of ``[..., D, D]``, column by column; NaN where the matrix is not positive definite."""
    size = matrix.shape[-1]
    columns: list[Tensor] = []
    for j in range(size):
        column = matrix[..., j:, j]
        for k, done in enumerate(columns):
            column = column - done[..., j - k :] * done[..., j - k, None]
        columns.append(column * column[..., :1].rsqrt())
    padded = [torch.nn.functional.pad(column, (j, 0)) for j, column in enumerate(columns)]
    return torch.stack(padded, -1)


def solve_lower(factor: Tensor, vector: Tensor) -> Tensor:
    """``L^-1 v`` for ``L [..., D, D]`` lower triangular and ``v [..., D]`` by forward substitution."""
    solution: list[Tensor] = []
    for i in range(factor.shape[-1]):
        rest = vector[..., i]
        for j, known in enumerate(solution):
            rest = rest - factor[..., i, j] * known
        solution.append(rest / factor[..., i, i])
    return torch.stack(solution, -1)


def half_log_det(factor: Tensor) -> Tensor:
    """log of the determinant of a Cholesky factor ``[..., D, D]``."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def gaussian_log_prob(value: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """log N(value; mean, L L') in nats, ``[...]``, given the Cholesky factor L ``[..., D, D]``."""
    whitened = solve_lower(factor, value - mean)
    return -0.5 * (whitened.square().sum(-1) + value.shape[-1] * LOG_2PI) - half_log_det(factor)


def sample_gaussian(mean: Tensor, factor: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """A reparameterised sample ``[..., D]`` of N(mean, L L') and its log density ``[...]`` in nats.

    Args:
        mean: ``[..., D]``.
        factor: L ``[..., D, D]``.
        generator: source of the noise, from which the density follows without a solve.
    """
    whitened = standard_normal_like(mean, generator)
    sample = mean + (factor @ whitened.unsqueeze(-1)).squeeze(-1)
    log_prob = -0.5 * (whitened.square().sum(-1) + mean.shape[-1] * LOG_2PI) - half_log_det(factor)
    return sample, log_prob


def diagonal_log_prob(value: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """log N(value; mean, diag(variance)) in nats, ``[...]``, of ``value [..., D]``, summed over its dimensions."""
    return -0.5 * ((value - mean).square() / variance + variance.log() + LOG_2PI).sum(-1)


@dataclass(frozen=True)
class Gaussian:
    """A multivariate normal with ``mean [..., D]`` and ``covariance [..., D, D]``."""

    mean: Tensor
    covariance: Tensor

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., D]``."""
        return sample_gaussian(self.mean, cholesky(self.covariance), generator)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., D]`` in nats."""
        return gaussian_log_prob(value, self.mean, cholesky(self.covariance))


@dataclass(frozen=True)
class DiagonalGaussian:
    """Independent normals with ``mean [..., D]`` and ``variance [..., D]`` (or broadcastable to it)."""

    mean: Tensor
    variance: Tensor

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., D]``."""
        return self.mean + self.variance.sqrt() * standard_normal_like(self.mean, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., D]`` in nats, summed over the last dimension."""
        return diagonal_log_prob(value, self.mean, self.variance.expand_as(self.mean))


def diagonal_kl(first: DiagonalGaussian, second: DiagonalGaussian) -> Tensor:
    """KL(first || second) in nats, summed over the last dimension, ``[...]``."""
    ratio = first.variance / second.variance
    distance = (first.mean - second.mean).square() / second.variance
    return 0.5 * (ratio + distance - 1 - ratio.log()).sum(-1)


def pixel_distortion(error: Tensor, log_sigma: Tensor, dims: int) -> Tensor:
    """Negative log likelihood in nats of ``dims`` observation dimensions under N(mean, sigma^2 I), ``[...]``.

    From the error that it shares with the constraint, so that the pixels are passed over once.

    Args:
        error: mean squared error per dimension, ``[...]``.
        log_sigma: a scalar.
        dims: dimensions of an observation.
    """
    return dims * (0.5 * error / (2 * log_sigma).exp() + log_sigma + 0.5 * LOG_2PI)


@dataclass(frozen=True)
class PixelGaussian:
    """p(x | z) with one standard deviation: ``mean [..., *shape]``, ``sigma []``, ``dims = len(shape)``."""

    mean: Tensor
    sigma: Tensor
    dims: int

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., *shape]``."""
        return self.mean + self.sigma * standard_normal_like(self.mean, generator)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value [..., *shape]`` in nats, summed over ``shape``."""
        error = ((value - self.mean) / self.sigma).square()
        return -(0.5 * error + self.sigma.log() + 0.5 * LOG_2PI).flatten(-self.dims).sum(-1)


@dataclass(frozen=True)
class PixelBernoulli:
    """p(x | z) of values in [0, 1], each of its own probability: ``logits [..., *shape]``, ``dims = len(shape)``."""

    logits: Tensor
    dims: int

    @property
    def mean(self) -> Tensor:
        """The probabilities ``[..., *shape]``."""
        return self.logits.sigmoid()

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Zeros and ones ``[..., *shape]``; no gradient."""
        drawn = torch.rand(self.logits.shape, dtype=self.logits.dtype, device=self.logits.device, generator=generator)
        return (drawn < self.mean).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the binary cross entropy of ``value [..., *shape]`` in nats, summed over ``shape`` (3.2.2.1)."""
        values, logits = torch.broadcast_tensors(value, self.logits)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, values, reduction="none")
        return -loss.flatten(-self.dims).sum(-1)


def standard_normal_like(tensor: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal noise with the shape, dtype and device of ``tensor``, from ``generator`` if one is given."""
    return torch.randn(tensor.shape, dtype=tensor.dtype, device=tensor.device, generator=generator)
