"""Initial distributions: bounds against densities that are known or estimated by brute force."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.numerics.distributions import diagonal_log_prob
from latentrl.priors import PRIORS
from latentrl.priors.standard_normal import StandardNormal
from latentrl.priors.transformed_normal import TransformedNormal
from latentrl.priors.vhp import VHP


def test_standard_normal_is_exact() -> None:
    state = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(state).sum(-1)
    torch.testing.assert_close(StandardNormal(3).bound(state), expected)


def log_density(prior: VHP, states: torch.Tensor) -> torch.Tensor:
    """log p(z) = log int p(z | zeta) N(zeta; 0, I) by a fine grid over zeta in one dimension."""
    grid = torch.linspace(-8, 8, 20_001)[:, None]
    zeros = torch.zeros_like(grid)
    likelihood = prior.decoder(grid)
    log_joint = torch.stack([likelihood.log_prob(z) + diagonal_log_prob(grid, zeros, zeros + 1) for z in states])
    return log_joint.logsumexp(1) + math.log(float(grid[1] - grid[0]))


@torch.no_grad()
def test_vhp_bound_lies_below_the_density() -> None:
    torch.manual_seed(0)
    prior = VHP(1, (8,))
    for parameter in prior.parameters():
        parameter.mul_(2.0)
    states = torch.linspace(-2, 2, 9)[:, None]
    density = log_density(prior, states)
    samples = prior.bound(states.expand(2000, -1, -1), torch.Generator().manual_seed(0))
    error = samples.std(0) / math.sqrt(2000)
    assert (samples.mean(0) < density + 4 * error).all()


@torch.no_grad()
def test_many_importance_samples_make_the_bound_tight() -> None:
    torch.manual_seed(0)
    prior = VHP(1, (8,))
    for network in (prior.encoder.network, prior.decoder.network):
        network[-1].bias[1:] = 0.0  # type: ignore[operator]
    states = torch.linspace(-2, 2, 9)[:, None]
    density = log_density(prior, states)
    one = prior.bound(states.expand(500, -1, -1), torch.Generator().manual_seed(1)).mean(0)
    many = prior.bound(states, torch.Generator().manual_seed(0), samples=20_000)
    assert float((density - one).mean()) > 0.1
    torch.testing.assert_close(many, density, rtol=0, atol=0.05)


def test_vhp_learns_a_ring_that_a_normal_cannot() -> None:
    g = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(2000, 1, generator=g)
    ring = torch.cat((angle.cos(), angle.sin()), 1) + 0.05 * torch.randn(2000, 2, generator=g)
    torch.manual_seed(0)
    prior = VHP(2, (32,))
    optimiser = torch.optim.Adam(prior.parameters(), 1e-2)
    for _ in range(500):
        loss = -prior.bound(ring[torch.randint(2000, (200,), generator=g)], g).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    radius = prior.sample(2000, g).detach().norm(dim=1)
    # A normal with the ring's covariance would have 43% of its samples there.
    assert ((radius - 1).abs() < 0.3).float().mean() > 0.8
    best_normal = -0.5 * 2 * (1 + math.log(2 * math.pi * float(ring.var(0).mean())))
    assert float(prior.bound(ring, g).detach().mean()) > best_normal + 0.3


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_samples_and_bounds_of_every_prior(name: str) -> None:
    prior = PRIORS[name](3, (8,))
    sample = prior.sample(11, torch.Generator().manual_seed(0))
    assert sample.shape == (11, 3)
    assert prior.bound(sample).shape == (11,)


def test_a_transformed_normal_pushes_noise_through_its_network() -> None:
    torch.manual_seed(0)
    prior = TransformedNormal(3, (8,))
    first, second = (prior.sample(50, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second) and first.shape == (50, 3)
    noise = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(first, prior(noise))
    with pytest.raises(NotImplementedError, match="no density"):
        prior.bound(first)
