"""Static models against the linear-Gaussian case, whose likelihood, posterior and bounds are known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.metrics.likelihood import active_units, log_likelihood, unit_rates
from latentrl.metrics.static import static_figures
from latentrl.models.spec import DataSpec
from latentrl.models.statics.iwae import IWAE, IWAESettings
from latentrl.models.statics.vae import VAE, VAESettings
from latentrl.networks.dense import VectorDecoder, VectorEncoder
from latentrl.numerics.distributions import DiagonalGaussian, PixelBernoulli, diagonal_kl
from latentrl.priors.vhp import VHP
from latentrl.types import Sequences

SPEC = DataSpec((4,), "float32", 1, (1.0,))
SIGMA = 0.5
WEIGHT = torch.tensor([[1.0, 0.5], [0.0, 0.5], [1.0, -0.5], [0.0, -0.5]])
"""x = W z + b + noise: orthogonal columns, so that the posterior is diagonal."""
OFFSET = torch.tensor([0.3, -0.2, 0.1, 0.5])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def linear(kind: type[VAE], settings: VAESettings, wrong: float = 0.0) -> VAE:
    """A linear-Gaussian model with its exact posterior, whose mean is ``wrong`` off in each dimension."""
    model = kind(SPEC, settings)
    assert isinstance(model.decoder, VectorDecoder) and isinstance(model.encoder, VectorEncoder)
    decoder, encoder = model.decoder.body[-1], model.encoder.body.network[-1]
    assert isinstance(decoder, torch.nn.Linear) and isinstance(encoder, torch.nn.Linear)
    decoder.weight.copy_(WEIGHT)
    decoder.bias.copy_(OFFSET)
    model.log_sigma.fill_(math.log(SIGMA))
    precision = 1 + WEIGHT.square().sum(0) / SIGMA**2
    gain = WEIGHT.T / SIGMA**2 / precision[:, None]
    encoder.weight[:2], encoder.weight[2:] = gain, 0.0
    encoder.bias[:2], encoder.bias[2:] = wrong - gain @ OFFSET, -precision.log()
    return model


def frames(count: int = 6) -> Tensor:
    noise = torch.randn(count, 6, generator=seeded(5))
    return noise[:, :2] @ WEIGHT.T + OFFSET + SIGMA * noise[:, 2:]


def batch(x: Tensor) -> Sequences:
    return Sequences(x.unsqueeze(1), torch.zeros(len(x), 0, 1))


def exact(x: Tensor) -> Tensor:
    """log N(x; b, W W' + sigma^2 I)."""
    covariance = WEIGHT @ WEIGHT.T + SIGMA**2 * torch.eye(4)
    return torch.distributions.MultivariateNormal(OFFSET, covariance).log_prob(x)


PLAIN = VAESettings(hidden=())


@torch.no_grad()
def test_with_the_exact_posterior_one_sample_of_the_bound_is_the_likelihood() -> None:
    x = frames()
    terms = linear(VAE, PLAIN).rate_distortion(batch(x), seeded())
    torch.testing.assert_close(-(terms.rate + terms.distortion), exact(x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_with_another_posterior_the_bound_is_lower_by_their_divergence() -> None:
    x, wrong = frames(), 0.4
    model, draws = linear(VAE, PLAIN, wrong), 4000
    many = batch(x.repeat_interleave(draws, 0))
    terms = model.rate_distortion(many, seeded())
    bounds = -(terms.rate + terms.distortion).view(len(x), draws)
    posterior = model.encode(x)
    gap = diagonal_kl(posterior, DiagonalGaussian(posterior.mean - wrong, posterior.variance))
    error = 4 * bounds.std(1) / math.sqrt(draws)
    assert ((bounds.mean(1) - (exact(x) - gap)).abs() < error).all() and (gap > 10 * error).all()


@torch.no_grad()
def test_more_importance_samples_bring_the_bound_up_to_the_likelihood() -> None:
    x, wrong = frames(3), 0.4
    found = []
    for samples in (1, 5, 50):
        model = linear(IWAE, IWAESettings(hidden=(), samples=samples), wrong)
        terms = model.rate_distortion(batch(x.repeat_interleave(500, 0)), seeded())
        found.append(-(terms.rate + terms.distortion).view(3, 500).mean(1))
    assert (found[0] < found[1]).all() and (found[1] < found[2]).all()
    assert (found[2] < exact(x) + 0.01).all() and ((exact(x) - found[2]) < 0.1 * (exact(x) - found[0])).all()
    estimate = log_likelihood(linear(VAE, PLAIN, wrong / 2), x, seeded())
    torch.testing.assert_close(estimate.float(), exact(x), rtol=0, atol=0.05)


@torch.no_grad()
def test_what_is_resampled_comes_from_the_exact_posterior() -> None:
    """Algorithm 1, where q itself is about a deviation off."""
    x, wrong, draws = frames(1), 0.4, 3000
    model = linear(IWAE, IWAESettings(hidden=(), samples=100), wrong)
    latents = model.latents(x.expand(draws, 4), seeded())
    posterior = model.encode(x)
    torch.testing.assert_close(latents.mean(0), posterior.mean[0] - wrong, rtol=0, atol=0.06)
    torch.testing.assert_close(latents.var(0), posterior.variance[0], rtol=0.2, atol=0.0)


@torch.no_grad()
def test_a_unit_that_q_says_nothing_of_is_not_active_though_its_samples_vary() -> None:
    """q(z_2 | x) = p(z_2) whatever x is: A_u of Burda et al. (2016) is the variance of 0."""
    model = linear(IWAE, IWAESettings(hidden=(), samples=5))
    assert isinstance(model.decoder, VectorDecoder) and isinstance(model.encoder, VectorEncoder)
    decoder, encoder = model.decoder.body[-1], model.encoder.body.network[-1]
    assert isinstance(decoder, torch.nn.Linear) and isinstance(encoder, torch.nn.Linear)
    decoder.weight[:, 1] = encoder.weight[1] = encoder.bias[1] = encoder.bias[3] = 0.0
    x = frames(30)
    assert model.latents(x, seeded()).var(0)[1] > 0.5 and model.means(x).var(0)[0] > 0.5
    assert static_figures(model, batch(x), {}, ())["active_units"] == 1


@torch.no_grad()
def test_a_hierarchical_prior_is_weighed_together_with_the_latent() -> None:
    """p(z) = N(m, S + L L') where zeta moves z linearly, so that the likelihood is known again."""
    settings = VAESettings(hidden=(), prior="vhp", prior_hidden=())
    model = linear(VAE, settings)
    prior = model.initial_distribution
    assert isinstance(prior, VHP)
    head, move = prior.decoder.network[-1], torch.tensor([[0.8, 0.0], [0.3, 0.6]])
    assert isinstance(head, torch.nn.Linear)
    head.weight[:2], head.weight[2:] = move, 0.0
    head.bias[:2], head.bias[2:] = 0.2, math.log(0.4)
    x = frames(3)
    spread = move @ move.T + 0.4 * torch.eye(2)
    covariance = WEIGHT @ spread @ WEIGHT.T + SIGMA**2 * torch.eye(4)
    wanted = torch.distributions.MultivariateNormal(OFFSET + WEIGHT @ torch.full((2,), 0.2), covariance).log_prob(x)
    tail = prior.encoder.network[-1]
    assert isinstance(tail, torch.nn.Linear)
    tail.weight.zero_()
    tail.bias.zero_()
    torch.testing.assert_close(log_likelihood(model, x, seeded(), 20_000).float(), wanted, rtol=0, atol=0.1)


def test_the_second_layer_of_an_iwae_is_a_hierarchical_prior_and_there_is_no_third() -> None:
    layers = [IWAE(SPEC, IWAESettings(hidden=(), layers=count)).initial_distribution for count in (1, 2)]
    assert [isinstance(prior, VHP) for prior in layers] == [False, True]
    with pytest.raises(ValueError, match="1 or 2"):
        IWAE(SPEC, IWAESettings(layers=3))


def test_bernoulli_pixels_are_those_of_torch() -> None:
    logits, values = torch.randn(3, 4, 4, 1), torch.rand(3, 4, 4, 1).round()
    pixels = PixelBernoulli(logits, 3)
    wanted = torch.distributions.Bernoulli(logits=logits).log_prob(values).flatten(1).sum(1)
    torch.testing.assert_close(pixels.log_prob(values), wanted)
    drawn = PixelBernoulli(logits.expand(5000, *logits.shape), 3).rsample(seeded())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), pixels.mean, rtol=0, atol=0.04)


@torch.no_grad()
def test_units_that_vary_are_active_and_their_rates_are_divergences() -> None:
    means = torch.tensor([[0.0, 1.0, 0.05], [0.0, -1.0, -0.05]])
    assert active_units(means) == 1
    torch.manual_seed(0)
    prior, latents = VHP(2, (8,)), torch.randn(7, 2)
    found = prior.encoder(latents)
    each = torch.distributions.kl_divergence(
        torch.distributions.Normal(found.mean, found.variance.sqrt()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(unit_rates(prior, latents), each.mean(0))
