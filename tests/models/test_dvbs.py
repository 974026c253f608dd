"""DVBS against brute force: where everything is linear, bound, smoother and filter are known exactly."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from latentrl.inference import kalman
from latentrl.models.dvbs import DVBS, DVBSSettings
from latentrl.models.spec import DataSpec
from latentrl.types import Belief, Sequences

BATCH, LENGTH, PIXELS, SIZE = 3, 5, 6, 2
F = torch.tensor([[0.9, 0.3], [-0.2, 0.8]])
B = torch.tensor([[0.1], [0.5]])
Q = torch.tensor([0.05, 0.1])
SIGMA = 0.4


class Scripted(nn.Module):
    """Recognition that returns given normals, whatever it is shown: mean and log variance side by side."""

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        super().__init__()
        self.table = torch.cat((mean, variance.log()), -1)

    def forward(self, observations: Tensor, controls: Tensor) -> Tensor:
        return self.table


def linear_model(prior: Literal["vhp", "normal"]) -> DVBS:
    torch.manual_seed(0)
    settings = DVBSSettings(
        state_size=SIZE, base_matrices=1, decoder_hidden=(), initial_sigma=SIGMA, noise_floor=0.0, prior=prior
    )
    model = DVBS(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings)
    with torch.no_grad():
        model.dynamics.state_matrices.copy_(F[None])
        model.dynamics.control_matrices.copy_(B[None])
        model.dynamics.log_noise.copy_(Q.log()[None])
    return model


def script(model: DVBS, mean: Tensor, variance: Tensor) -> None:
    """Let the posterior's factors be ``mean``, ``variance [B, T, Dz]``; the head passes the table on."""
    model.recurrent = Scripted(mean, variance)  # type: ignore[assignment]
    head = nn.Linear(2 * SIZE, 2 * SIZE)
    with torch.no_grad():
        head.weight.copy_(torch.eye(2 * SIZE))
        head.bias.zero_()
    model.first_head.network = nn.Sequential(head)


def batch(times: int = 1) -> Sequences:
    """``BATCH`` sequences, so many times: what is drawn for each of them is drawn anew."""
    g = torch.Generator().manual_seed(1)
    observations, actions = (torch.randn(BATCH, *shape, generator=g) for shape in ((LENGTH, PIXELS), (LENGTH - 1, 1)))
    return Sequences(observations.repeat(times, 1, 1), actions.repeat(times, 1, 1))


def emission(model: DVBS) -> tuple[Tensor, Tensor]:
    layer = model.decoder.body[0]
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach().double(), layer.bias.detach().double()


def factors(times: int = 1) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(2)
    mean, variance = torch.randn(BATCH, LENGTH, SIZE, generator=g), 0.05 + torch.rand(BATCH, LENGTH, SIZE, generator=g)
    return mean.repeat(times, 1, 1), variance.repeat(times, 1, 1)


def chain(mean: Tensor, variance: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of z_1:T under Eq. 4.12, ``[B, T Dz]``: every z_t as a sum of noises."""
    means, maps = [mean[:, 0].double()], [{0: torch.diag_embed(variance[:, 0].double().sqrt())}]
    for t in range(1, LENGTH):
        gain = (Q / (Q + variance[:, t])).double()
        predicted = means[-1] @ F.double().T + (actions[:, t - 1] / 2.0).double() @ B.double().T
        means.append(predicted + gain * (mean[:, t] - predicted))
        kept = (1 - gain).unsqueeze(-1) * F.double()
        noise = torch.diag_embed((gain * variance[:, t]).sqrt())
        maps.append({source: kept @ m for source, m in maps[-1].items()} | {t: noise})
    eye = torch.zeros(BATCH, SIZE, SIZE, dtype=torch.float64)
    rows = [torch.cat([row.get(source, eye) for source in range(LENGTH)], -1) for row in maps]
    root = torch.cat(rows, -2)
    return torch.cat(means, -1), root @ root.mT


def prior(actions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[B, T Dz]`` and covariance ``[T Dz, T Dz]`` of p(z_1:T | u) with z_1 ~ N(0, I)."""
    means, rows = [torch.zeros(BATCH, SIZE, dtype=torch.float64)], []
    root = [torch.eye(SIZE, dtype=torch.float64)]
    rows.append(torch.cat((*root, torch.zeros(SIZE, SIZE * (LENGTH - 1), dtype=torch.float64)), -1))
    for t in range(1, LENGTH):
        means.append(means[-1] @ F.double().T + (actions[:, t - 1] / 2.0).double() @ B.double().T)
        root = [F.double() @ m for m in root] + [Q.double().sqrt().diag()]
        rows.append(torch.cat((*root, torch.zeros(SIZE, SIZE * (LENGTH - 1 - t), dtype=torch.float64)), -1))
    full = torch.cat(rows, -2)
    return torch.cat(means, -1), full @ full.T


@torch.no_grad()
def test_posterior_moments_are_those_of_the_chain() -> None:
    model, data = linear_model(prior="vhp"), batch()
    script(model, *factors())
    smoothed = model.smooth(data.observations, data.actions)
    mean, covariance = chain(*factors(), data.actions)
    torch.testing.assert_close(smoothed.mean.flatten(1), mean, rtol=1e-4, atol=1e-5)
    for t in range(LENGTH):
        block = covariance[:, SIZE * t : SIZE * (t + 1), SIZE * t : SIZE * (t + 1)]
        torch.testing.assert_close(smoothed.covariance[:, t], block, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_rate_is_the_divergence_between_chain_and_prior() -> None:
    """z_1 = f(zeta) with f the identity, so that z_1 ~ N(0, I) and the whole divergence is one of two normals."""
    model, data = linear_model(prior="normal"), batch()
    identity = nn.Linear(SIZE, SIZE)
    identity.weight.copy_(torch.eye(SIZE))
    identity.bias.zero_()
    model.initial_distribution.network = nn.Sequential(identity)
    script(model, *factors(2000))
    model.factor_head = model.first_head
    q = torch.distributions.MultivariateNormal(*chain(*factors(), data.actions))
    p = torch.distributions.MultivariateNormal(*prior(data.actions))
    expected = torch.distributions.kl_divergence(q, p)
    estimates = model.rate_distortion(batch(2000), torch.Generator().manual_seed(0)).rate.view(2000, BATCH)
    error = (estimates.mean(0) - expected).abs() / (estimates.std(0) / math.sqrt(len(estimates)))
    assert (error < 4).all(), (estimates.mean(0), expected)


@torch.no_grad()
def test_samples_have_the_moments_of_the_chain() -> None:
    model, data = linear_model(prior="vhp"), batch(2000)
    script(model, *factors(2000))
    states, _ = model.sample_posterior(data.observations, data.actions / 2.0, torch.Generator().manual_seed(0))
    samples = states.view(2000, BATCH, LENGTH * SIZE)
    mean, covariance = chain(*factors(), batch().actions)
    spread = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((samples.double().mean(0) - mean).abs() < 4.5 * spread / math.sqrt(2000)).all()
    torch.testing.assert_close(torch.cov(samples[:, 0].T).double(), covariance[0], rtol=0.15, atol=0.03)


@torch.no_grad()
def test_with_the_last_frame_as_a_factor_the_last_step_is_exact() -> None:
    """Eq. 4.12 holds for the true posterior if the factor is p(x_t:T | z_t); at T that is the frame's likelihood."""
    model, data = linear_model(prior="vhp"), batch()
    mean, variance = factors()
    # The decoder shows each dimension in a pixel of its own, so that its likelihood is a diagonal factor.
    mean[:, -1], variance[:, -1] = data.observations[:, -1, :SIZE], torch.tensor(SIGMA**2)
    script(model, mean, variance)
    smoothed = model.smooth(data.observations, data.actions)
    before = Belief(smoothed.mean[:, -2], torch.zeros(BATCH, SIZE, SIZE, dtype=torch.float64))
    offset = (data.actions[:, -1] / 2.0).double() @ B.double().T
    predicted = kalman.predict(before, F.double(), Q.double().diag(), offset)
    noise = SIGMA**2 * torch.eye(PIXELS, dtype=torch.float64)
    exact = kalman.update(predicted, data.observations[:, -1].double(), torch.eye(PIXELS, SIZE).double(), noise)
    torch.testing.assert_close(smoothed.mean[:, -1], exact.mean, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_online_filter_is_the_kalman_filter() -> None:
    model, data = linear_model(prior="vhp"), batch()
    matrix, bias = emission(model)
    belief = start = Belief(torch.zeros(BATCH, SIZE).double(), torch.eye(SIZE).double().expand(BATCH, -1, -1))
    expected = start
    noise = SIGMA**2 * torch.eye(PIXELS, dtype=torch.float64)
    for t in range(1, LENGTH):
        frame = None if t == 2 else data.observations[:, t]
        belief = model.filter(belief, data.actions[:, t - 1], frame)
        offset = (data.actions[:, t - 1] / 2.0).double() @ B.double().T
        expected = kalman.predict(expected, F.double(), Q.double().diag(), offset)
        if frame is not None:
            expected = kalman.update(expected, frame.double() - bias, matrix, noise)
        torch.testing.assert_close(belief.mean, expected.mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(belief.covariance, expected.covariance, rtol=1e-3, atol=1e-6)


def test_the_filter_version_reads_each_factor_off_its_own_frame() -> None:
    torch.manual_seed(0)
    model = DVBS(DataSpec((PIXELS,), "float32", 1, (2.0,)), DVBSSettings(version="filter"))
    data = batch()
    changed = data.observations.clone()
    changed[:, 3] += 1
    (_, before), (_, after) = (model.recognise(x, data.actions) for x in (data.observations, changed))
    moved = (before.mean - after.mean).abs().amax((0, 2)) > 1e-6
    assert moved.tolist() == [False, False, True, False], "factors begin at the second frame"


@pytest.mark.parametrize(("noise", "variance"), [(1e-9, 1.0), (1.0, 1e-7), (50.0, 1e-7)])
def test_the_rate_survives_extreme_variances(noise: float, variance: float) -> None:
    model, data = linear_model(prior="vhp"), batch()
    with torch.no_grad():
        model.dynamics.log_noise.fill_(math.log(noise))
    script(model, factors()[0], torch.full((BATCH, LENGTH, SIZE), variance))
    terms = model.rate_distortion(data, torch.Generator().manual_seed(0))
    assert terms.rate.isfinite().all()
    terms.rate.sum().backward()
    gradient = model.dynamics.log_noise.grad
    assert gradient is not None and gradient.isfinite().all()


def test_without_the_vhp_the_first_state_is_a_transform_that_learns_with_the_encoder() -> None:
    model = linear_model(prior="normal")
    groups = model.parameter_groups()
    assert groups["prior"] == []
    held = {id(p) for p in groups["encoder"]}
    assert all(id(p) in held for p in model.initial_distribution.parameters())
