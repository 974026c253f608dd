"""The chain of a linear transition is a normal over whole paths: moments and divergence against the dense matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.inference.posterior_chain import chain_moments, sample_chain
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief

BATCH, LENGTH, SIZE, PATHS = 2, 4, 2, 40_000
SLOPE = torch.tensor([[0.9, 0.3], [-0.2, 0.8]], dtype=torch.float64)
OFFSETS = torch.tensor([[0.1, -0.2], [0.3, 0.0], [-0.1, 0.2]], dtype=torch.float64)
Q = torch.tensor([0.05, 0.4], dtype=torch.float64)


def factors() -> DiagonalGaussian:
    g = torch.Generator().manual_seed(0)
    mean = torch.randn(BATCH, LENGTH - 1, SIZE, generator=g, dtype=torch.float64)
    return DiagonalGaussian(mean, 0.02 + torch.rand(BATCH, LENGTH - 1, SIZE, generator=g, dtype=torch.float64))


def move(state: Tensor, t: int) -> tuple[Tensor, Tensor]:
    return state @ SLOPE.T + OFFSETS[t], Q.expand_as(state)


def chain_of(first: Belief, slopes: Tensor, offsets: Tensor, noises: Tensor) -> Belief:
    """The joint normal over ``[T Dz]`` of z_1 and z_{t+1} = slopes[t] z_t + offsets[t] + N(0, diag noises[t])."""
    means, rows = [first.mean], [torch.eye(SIZE, LENGTH * SIZE, dtype=torch.float64)]
    blocks = [first.covariance, *torch.diag_embed(noises)]
    for t, slope in enumerate(slopes):
        means.append(slope @ means[-1] + offsets[t])
        own = torch.zeros(SIZE, LENGTH * SIZE, dtype=torch.float64)
        own[:, (t + 1) * SIZE : (t + 2) * SIZE] = torch.eye(SIZE)
        rows.append(slope @ rows[-1] + own)
    through = torch.cat(rows)
    return Belief(torch.cat(means), through @ torch.block_diag(*blocks) @ through.T)


def posterior(first: Belief, part: DiagonalGaussian, b: int) -> Belief:
    """By Bayes' rule in information form, dimension by dimension and step by step."""
    precision = 1 / Q + 1 / part.variance[b]
    share = (1 / Q) / precision
    slopes = torch.stack([share[t].diag() @ SLOPE for t in range(LENGTH - 1)])
    offsets = share * OFFSETS + part.mean[b] / part.variance[b] / precision
    return chain_of(Belief(first.mean[b], first.covariance[b]), slopes, offsets, 1 / precision)


def first_state() -> Belief:
    covariance = torch.tensor([[0.3, 0.1], [0.1, 0.2]], dtype=torch.float64).expand(BATCH, -1, -1)
    return Belief(torch.tensor([[0.5, -1.0], [2.0, 0.3]], dtype=torch.float64), covariance)


def test_moments_are_those_of_the_joint_normal() -> None:
    first, part = first_state(), factors()
    found = chain_moments(first, part, lambda mean, t: (*move(mean, t), SLOPE.expand(BATCH, -1, -1)))
    for b in range(BATCH):
        exact = posterior(first, part, b)
        torch.testing.assert_close(found.mean[b], exact.mean.reshape(LENGTH, SIZE))
        blocks = exact.covariance.reshape(LENGTH, SIZE, LENGTH, SIZE)
        expected = torch.stack([blocks[t, :, t] for t in range(LENGTH)])
        torch.testing.assert_close(found.covariance[b], expected)


def test_paths_and_divergence_are_those_of_the_joint_normal() -> None:
    first, part, g = first_state(), factors(), torch.Generator().manual_seed(1)
    for b in range(BATCH):
        exact = posterior(first, part, b)
        start = Belief(first.mean[b], first.covariance[b])
        root = torch.linalg.cholesky(start.covariance)
        states = start.mean + torch.randn(PATHS, SIZE, generator=g, dtype=torch.float64) @ root.T
        many = DiagonalGaussian(part.mean[b].expand(PATHS, -1, -1), part.variance[b].expand(PATHS, -1, -1))
        paths, divergence = sample_chain(states, many, move, g)
        deviation = exact.covariance.diagonal().sqrt()
        assert ((paths.flatten(1).mean(0) - exact.mean).abs() < 5 * deviation / math.sqrt(PATHS)).all()
        torch.testing.assert_close(paths.flatten(1).T.cov(), exact.covariance, rtol=0.05, atol=0.01)
        # Both paths begin with the same z_1, whose share of the divergence is then none.
        ahead = chain_of(start, SLOPE.expand(LENGTH - 1, -1, -1), OFFSETS, Q.expand(LENGTH - 1, -1))
        q, p = (torch.distributions.MultivariateNormal(one.mean, one.covariance) for one in (exact, ahead))
        expected = torch.distributions.kl_divergence(q, p)
        assert (divergence.mean() - expected).abs() < 5 * divergence.std() / math.sqrt(PATHS)


def test_a_single_state_diverges_from_nothing() -> None:
    none = DiagonalGaussian(torch.zeros(BATCH, 0, SIZE), torch.ones(BATCH, 0, SIZE))
    states, divergence = sample_chain(torch.ones(BATCH, SIZE), none, move)
    assert states.shape == (BATCH, 1, SIZE) and (divergence == 0).all()
