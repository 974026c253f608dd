"""Small multivariate normals against torch.distributions."""

from __future__ import annotations

import pytest
import torch

from latentrl.numerics.distributions import (
    DiagonalGaussian,
    Gaussian,
    PixelGaussian,
    cholesky,
    diagonal_kl,
    gaussian_log_prob,
    sample_gaussian,
)


def covariance(size: int, batch: int = 7) -> torch.Tensor:
    root = torch.randn(batch, size, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(size, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_cholesky_and_density_equal_torch(size: int) -> None:
    matrix = covariance(size)
    torch.testing.assert_close(cholesky(matrix), torch.linalg.cholesky(matrix))
    mean, value = torch.randn(2, 7, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = torch.distributions.MultivariateNormal(mean, matrix).log_prob(value)
    torch.testing.assert_close(Gaussian(mean, matrix).log_prob(value), expected)


def test_cholesky_gradient_equals_finite_differences() -> None:
    def density(root: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        matrix = root @ root.mT + 0.1 * torch.eye(3, dtype=torch.float64)
        return gaussian_log_prob(value, torch.zeros_like(value), cholesky(matrix))

    g = torch.Generator().manual_seed(0)
    root = torch.randn(2, 3, 3, generator=g, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, 3, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(density, (root, value))


def test_an_indefinite_matrix_gives_nan_rather_than_a_wrong_factor() -> None:
    assert cholesky(torch.diag(torch.tensor([1.0, -1.0]))).isnan().any()


def test_sample_and_its_density_agree() -> None:
    matrix = covariance(3)
    mean = torch.ones(7, 3, dtype=torch.float64)
    sample, log_prob = sample_gaussian(mean, cholesky(matrix), torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_prob, Gaussian(mean, matrix).log_prob(sample))


def test_samples_have_the_moments_of_the_distribution() -> None:
    matrix = covariance(3, 1)[0]
    samples = Gaussian(torch.ones(100_000, 3, dtype=torch.float64), matrix.expand(100_000, 3, 3)).rsample(
        torch.Generator().manual_seed(0)
    )
    assert (samples.mean(0) - 1).abs().max() < 4 * (matrix.max() / 100_000).sqrt()
    torch.testing.assert_close(samples.T.cov(), matrix, rtol=0.05, atol=0.05)


def test_pixel_gaussian_sums_over_the_image() -> None:
    g = torch.Generator().manual_seed(0)
    mean, value = torch.randn(2, 5, 4, 4, 1, generator=g)
    sigma = torch.tensor(0.3)
    expected = torch.distributions.Normal(mean, sigma).log_prob(value).sum((-1, -2, -3))
    torch.testing.assert_close(PixelGaussian(mean, sigma, 3).log_prob(value), expected)
    torch.testing.assert_close(DiagonalGaussian(mean.flatten(1), sigma.square()).log_prob(value.flatten(1)), expected)


def test_diagonal_divergence_equals_torch() -> None:
    g = torch.Generator().manual_seed(0)
    means, variances = torch.randn(2, 4, 3, generator=g), 0.1 + torch.rand(2, 4, 3, generator=g)
    found = diagonal_kl(*(DiagonalGaussian(m, v) for m, v in zip(means, variances, strict=True)))
    first, second = (torch.distributions.Normal(m, v.sqrt()) for m, v in zip(means, variances, strict=True))
    torch.testing.assert_close(found, torch.distributions.kl_divergence(first, second).sum(-1))
