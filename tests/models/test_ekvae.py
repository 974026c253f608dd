"""The EKVAE's bound against brute force on linear-Gaussian cases, and its filter against its smoother."""

from __future__ import annotations

import math
from typing import Literal, get_args

import pytest
import torch
from torch import Tensor

from latentrl.inference.backends import BACKENDS, backend_named, is_installed
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.networks.dense import VectorDecoder
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Sequences

BATCH, LENGTH, PIXELS = 3, 5, 6
Version = Literal["joint", "smoother", "filter"]
VERSIONS: tuple[Version, ...] = get_args(Version)


def linear_model(version: Version) -> EKVAE:
    """One base matrix, linear decoder, N(0, I) prior: p(x_1:T | u) is Gaussian and known."""
    torch.manual_seed(0)
    settings = EKVAESettings(
        base_matrices=1, hidden=(), prior="normal", version=version, initial_sigma=0.5, noise_floor=0.0
    )
    model = EKVAE(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings)
    with torch.no_grad():
        model.dynamics.state_matrices.copy_(torch.tensor([[[0.9, 0.2, 0.3], [-0.2, 0.9, 0.1], [0.1, -0.1, 0.8]]]))
        model.dynamics.control_matrices.copy_(torch.tensor([[[0.1], [-0.2], [0.5]]]))
        model.dynamics.log_noise.copy_(torch.tensor([[0.05, 0.1, 0.2]]).log())
        model.log_emission_noise.copy_(torch.tensor([0.02, 0.03]).log())
    return model


def batch() -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.randn(BATCH, LENGTH, PIXELS, generator=g), torch.randn(BATCH, LENGTH - 1, 1, generator=g))


def joint_of_positions(model: EKVAE, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[B, T Da]`` and covariance ``[T Da, T Da]`` of p(a_1:T | u), by writing every z_t as a sum of noises."""
    f = model.dynamics.state_matrices[0].double()
    b = model.dynamics.control_matrices[0].double()
    q = model.dynamics.log_noise[0].double().exp().diag()
    r = model.log_emission_noise.double().exp().diag()
    h = model.projection
    means, maps = [torch.zeros(BATCH, 3, dtype=torch.float64)], [{0: torch.eye(3, dtype=torch.float64)}]
    for t in range(1, LENGTH):
        means.append(means[-1] @ f.T + (actions[:, t - 1].double() / 2.0) @ b.T)
        maps.append({source: f @ m for source, m in maps[-1].items()} | {t: torch.eye(3, dtype=torch.float64)})
    covariance = torch.zeros(LENGTH * 2, LENGTH * 2, dtype=torch.float64)
    for s in range(LENGTH):
        for t in range(LENGTH):
            block = sum(
                maps[s][k] @ (torch.eye(3, dtype=torch.float64) if k == 0 else q) @ maps[t][k].T
                for k in maps[s].keys() & maps[t].keys()
            )
            covariance[2 * s : 2 * s + 2, 2 * t : 2 * t + 2] = h @ block @ h.T + (r if s == t else 0)
    return torch.cat([m @ h.T for m in means], 1), covariance


def log_likelihood_of_positions(model: EKVAE, positions: Tensor, actions: Tensor) -> Tensor:
    mean, covariance = joint_of_positions(model, actions)
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(positions.double().flatten(1))


def log_likelihood_of_observations(model: EKVAE, data: Sequences) -> Tensor:
    mean, covariance = joint_of_positions(model, data.actions)
    assert isinstance(model.decoder, VectorDecoder)
    layer = model.decoder.body[0]
    assert isinstance(layer, torch.nn.Linear)
    emission = torch.block_diag(*[layer.weight.double()] * LENGTH)
    noise = (2 * model.log_sigma.double()).exp() * torch.eye(LENGTH * PIXELS, dtype=torch.float64)
    marginal = torch.distributions.MultivariateNormal(
        mean @ emission.T + layer.bias.double().repeat(LENGTH), emission @ covariance @ emission.T + noise
    )
    return marginal.log_prob(data.observations.double().flatten(1))


@torch.no_grad()
def test_joint_rate_is_exact_for_a_linear_model() -> None:
    """KL(q(z_1:T) || p(z_1:T | a)) vanishes, and with it the variance: every single sample gives log p(a_1:T | u)."""
    model, data = linear_model("joint"), batch()
    posterior = model.encode(data.observations)
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        positions = posterior.rsample(g)
        terms = model.rate_terms(posterior, positions, data.actions, g)
        bound = -(terms.emission + terms.prior + terms.transition + terms.posterior)
        torch.testing.assert_close(bound, log_likelihood_of_positions(model, positions, data.actions))


@torch.no_grad()
@pytest.mark.parametrize("version", VERSIONS)
def test_bound_lies_below_the_log_likelihood(version: Version) -> None:
    model, data = linear_model(version), batch()
    exact = log_likelihood_of_observations(model, data)
    count = 4000
    repeated = Sequences(data.observations.repeat(count, 1, 1), data.actions.repeat(count, 1, 1))
    terms = model.rate_distortion(repeated, torch.Generator().manual_seed(0))
    samples = -(terms.rate + terms.distortion).view(count, BATCH)
    error = samples.std(0) / math.sqrt(count)
    assert (samples.mean(0) < exact + 4 * error).all()


@torch.no_grad()
def test_joint_bound_is_the_tightest() -> None:
    data, bounds = batch(), {}
    for version in VERSIONS:
        model = linear_model(version)
        repeated = Sequences(data.observations.repeat(4000, 1, 1), data.actions.repeat(4000, 1, 1))
        terms = model.rate_distortion(repeated, torch.Generator().manual_seed(0))
        bounds[version] = float(-(terms.rate + terms.distortion).mean())
    assert bounds["joint"] > bounds["smoother"]
    assert bounds["joint"] > bounds["filter"]


@torch.no_grad()
def test_rate_and_distortion_are_what_their_terms_say() -> None:
    model, data = linear_model("smoother"), batch()
    g = torch.Generator().manual_seed(3)
    terms = model.rate_distortion(data, g)
    g = torch.Generator().manual_seed(3)
    posterior = model.encode(data.observations)
    positions = posterior.rsample(g)
    expected = torch.stack(model.rate_terms(posterior, positions, data.actions, g)).sum(0)
    torch.testing.assert_close(terms.rate, expected.float())
    reconstruction = torch.distributions.Normal(model.decode(positions), model.log_sigma.exp())
    torch.testing.assert_close(terms.distortion, -reconstruction.log_prob(data.observations).sum((1, 2)))
    torch.testing.assert_close(terms.error, (model.decode(positions) - data.observations).square().mean((1, 2)))


@torch.no_grad()
def test_filter_version_has_no_smoothing_term() -> None:
    model, data = linear_model("filter"), batch()
    posterior = model.encode(data.observations)
    terms = model.rate_terms(posterior, posterior.mean, data.actions, torch.Generator().manual_seed(0))
    # Only log p_f(z_1 | a_1) is left: the smoothed and filtered densities of later states cancel (4.2.5.3).
    run = model.run_filter(posterior.mean.double(), (data.actions / 2).double(), model.dynamics.weights(torch.float64))
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(BATCH, LENGTH - 1, 3, generator=g, dtype=torch.float64)[:, 0]
    factor = torch.linalg.cholesky(run.filtered.covariance[:, 0])
    first = torch.distributions.MultivariateNormal(run.filtered.mean[:, 0], scale_tril=factor)
    z = run.filtered.mean[:, 0] + (factor @ noise.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(terms.posterior, first.log_prob(z))


def test_controls_outside_the_training_range_are_scaled_not_clipped() -> None:
    model = linear_model("joint")
    state = torch.zeros(1, 3)
    one = model.transition(state, torch.tensor([[1.0]])).mean
    seven = model.transition(state, torch.tensor([[7.0]])).mean
    torch.testing.assert_close(seven, 7 * one)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("length", [1, 2, 9])
@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
def test_every_backend_gives_the_references_bound_and_gradients(name: str, version: Version, length: int) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    torch.manual_seed(2)
    model = EKVAE(DataSpec((PIXELS,), "float32", 2, (2.0, 1.0)), EKVAESettings(prior="normal", version=version))
    # In float64 the parameters lose no digits of their gradients; none is where it could hide a missing term.
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, dtype=torch.float64))
    noise = torch.Generator().manual_seed(1)
    means = torch.randn(11, length, 2, generator=noise, dtype=torch.float64)
    positions = torch.randn(11, length, 2, generator=noise, dtype=torch.float64).requires_grad_()
    actions = torch.randn(11, length - 1, 2, generator=noise)
    found = []
    for one in ("reference", name):
        model.use_backend(backend_named(one))
        terms = model.rate_terms(DiagonalGaussian(means, means.square()), positions, actions, noise.manual_seed(3))
        total = (0.3 * terms.emission + terms.transition - 0.7 * terms.posterior).sum()
        read = [positions, model.log_emission_noise, model.filter_mean, model.log_filter_variance]
        wanted = [*read, *model.dynamics.parameters()]
        gradients = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
        found.append([terms.emission, terms.transition, terms.posterior, *gradients])
    for known, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, known, rtol=1e-9, atol=1e-9 * max(1.0, float(known.detach().abs().max())))
    assert length == 1 or all(known.abs().max() > 0 for known in found[0])
