"""The VampPrior against a mixture of torch.distributions, and where its pseudo-inputs are."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from latentrl.priors.vamp import VampPrior
from latentrl.types import Belief


class Encoder(nn.Module):
    """q(z | u) with two dimensions of u [3], that depend on each other."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.spread = nn.Linear(3, 2), nn.Linear(3, 2)
        self.register_buffer("slope", torch.tensor([[1.0, 0.0], [0.7, 0.5]], dtype=torch.float64))
        self.slope: Tensor
        self.prior = VampPrior(2, components=4)
        self.prior.bind(self.encode, (3,), images=True)

    def encode(self, inputs: Tensor) -> Belief:
        variance = self.spread(inputs).exp().double().diag_embed()
        return Belief(self.mean(inputs).double(), self.slope @ variance @ self.slope.T)


def mixture(model: Encoder) -> torch.distributions.MixtureSameFamily:
    parts = model.encode(model.prior.pseudo_inputs.clamp(0, 1))
    each = torch.distributions.MultivariateNormal(parts.mean, parts.covariance)
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(4).double()), each)


def made() -> Encoder:
    torch.manual_seed(0)
    model = Encoder()
    model.prior.begin_at(2 * torch.rand(4, 3) - 0.5)
    return model


@torch.no_grad()
def test_its_density_and_its_samples_are_those_of_the_mixture_of_posteriors() -> None:
    model, states = made(), torch.randn(2, 5, 2)
    torch.testing.assert_close(model.prior.bound(states, samples=3), mixture(model).log_prob(states).float())
    drawn = model.prior.sample(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0).double(), mixture(model).mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.var(0).double(), mixture(model).variance, rtol=0.05, atol=0.02)


def test_gradients_reach_pseudo_inputs_and_posterior() -> None:
    model = made()
    with torch.no_grad():
        model.prior.pseudo_inputs.clamp_(0.1, 0.9)
    model.prior.bound(torch.randn(6, 2)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert [name for name, _ in model.prior.named_parameters()] == ["pseudo_inputs"], "the posterior stays the model's"


def test_a_copy_of_a_model_has_a_prior_of_its_own_posterior() -> None:
    model = made()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.mean.bias.add_(1.0)
    torch.testing.assert_close(other.prior.components().mean, model.prior.components().mean + 1.0)


def _learned(units: Tensor, away: Tensor) -> VampPrior:
    """Begun at readings in ``units``, and fitted to states by a posterior that counts them so."""
    torch.manual_seed(0)
    encoder, frames, states = Encoder(), torch.randn(6, 3), torch.randn(40, 2)
    prior = VampPrior(2, components=6)
    prior.bind(lambda inputs: encoder.encode((inputs - away) / units), (3,), images=False)
    prior.begin_at(away + units * frames)
    optimiser = torch.optim.Adam(prior.parameters(), 0.01)
    for _ in range(30):
        optimiser.zero_grad()
        (-prior.bound(states).sum()).backward()
        optimiser.step()
    return prior


def test_pseudo_inputs_are_learned_alike_in_units_of_any_size() -> None:
    plain = _learned(torch.ones(3), torch.zeros(3)).components()
    other = _learned(torch.tensor([0.01, 2000.0, 30.0]), torch.tensor([0.0, -500.0, 1e4])).components()
    torch.testing.assert_close(other.mean, plain.mean, rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(other.covariance, plain.covariance, rtol=1e-2, atol=1e-2)


def test_pseudo_inputs_of_before_are_read_in_the_units_that_they_were_kept_in() -> None:
    prior = _learned(torch.tensor([0.01, 2000.0, 30.0]), torch.zeros(3))
    kept = {"pseudo_inputs": prior.inputs().detach()}
    expected = prior.components().mean
    prior.load_state_dict(kept)
    torch.testing.assert_close(prior.components().mean, expected)
    assert set(prior.state_dict()) == {"pseudo_inputs", "mean", "scale"}
