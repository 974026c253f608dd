"""The filter through the emission against the Kalman filter, Bayes' rule on a grid, and pictures of a ring."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from latentrl.inference import kalman
from latentrl.inference.emission_filter import EmissionFilter
from latentrl.networks.dense import mlp
from latentrl.types import Belief

SIGMA = 0.05


def linear_decoder(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return mlp((3, 8)).double()


def belief(count: int = 4) -> Belief:
    g = torch.Generator().manual_seed(1)
    root = torch.randn(count, 3, 3, generator=g, dtype=torch.float64)
    return Belief(torch.randn(count, 3, generator=g, dtype=torch.float64), root @ root.mT + 0.1 * torch.eye(3))


def emission_matrix(decoder: nn.Sequential) -> tuple[Tensor, Tensor]:
    layer = decoder[0]
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach().double(), layer.bias.detach().double()


def kalman_update(decoder: nn.Sequential, predicted: Belief, frame: Tensor, variance: float) -> Belief:
    matrix, bias = emission_matrix(decoder)
    noise = variance * torch.eye(8, dtype=torch.float64)
    return kalman.update(predicted, frame.double() - bias, matrix, noise)


@torch.no_grad()
def test_the_update_of_a_linear_decoder_is_the_kalman_update() -> None:
    decoder, frame = linear_decoder(), torch.randn(4, 8, generator=torch.Generator().manual_seed(2)).double()
    found = EmissionFilter(decoder, SIGMA).update(belief(), frame)
    expected = kalman_update(decoder, belief(), frame, SIGMA**2)
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-6, atol=1e-10)


@torch.no_grad()
def test_a_share_of_the_likelihood_is_a_wider_emission() -> None:
    decoder, frame = linear_decoder(), torch.randn(4, 8, generator=torch.Generator().manual_seed(2)).double()
    found = EmissionFilter(decoder, SIGMA).update(belief(), frame, torch.full((4,), 0.25))
    expected = kalman_update(decoder, belief(), frame, 4 * SIGMA**2)
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-6, atol=1e-10)


@torch.no_grad()
def test_a_first_frame_of_a_linear_decoder_gives_the_posterior_under_a_standard_normal() -> None:
    """Weighted samples leave a Monte Carlo error, which the rest of the likelihood shrinks."""
    decoder, frame = linear_decoder(), torch.randn(4, 8, generator=torch.Generator().manual_seed(2)).double()
    prior = Belief(torch.zeros(4, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(4, -1, -1))
    expected = kalman_update(decoder, prior, frame, SIGMA**2)
    found = EmissionFilter(decoder, SIGMA).initial(lambda n, g: torch.randn(n, 3, generator=g).double(), frame)
    spread = expected.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((found.mean - expected.mean).abs() < 0.5 * spread).all()
    ratio = found.covariance.diagonal(dim1=-2, dim2=-1) / expected.covariance.diagonal(dim1=-2, dim2=-1)
    assert (ratio > 0.7).all() and (ratio < 1.3).all()


def ring_decoder() -> nn.Sequential:
    """ReLU layers fitted to (z_1, z_2, z_3) -> a bump on a circle of 16 sensors at the angle of (z_1, z_2)."""
    torch.manual_seed(0)
    decoder, places = mlp((3, 64, 64, 16)), torch.arange(16) * 2 * math.pi / 16
    optimiser = torch.optim.Adam(decoder.parameters(), lr=5e-3)
    g = torch.Generator().manual_seed(1)
    for _ in range(300):
        angle, speed = 2 * math.pi * torch.rand(256, generator=g), torch.randn(256, generator=g)
        image = (2 * (torch.cos(angle[:, None] - places) - 1)).exp()
        loss = (decoder(torch.stack((angle.cos(), angle.sin(), speed), -1)) - image).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return decoder


def ring_states(count: int, generator: torch.Generator | None = None) -> Tensor:
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    return torch.stack((angle.cos(), angle.sin(), torch.randn(count, generator=generator)), -1)


@torch.no_grad()
def test_a_first_frame_tells_the_place_on_a_ring_and_leaves_the_speed_open() -> None:
    with torch.enable_grad():
        decoder = ring_decoder()
    truth = ring_states(20, torch.Generator().manual_seed(5))
    found = EmissionFilter(decoder, 0.05).initial(ring_states, decoder(truth))
    assert (found.mean[:, :2] - truth[:, :2]).norm(dim=-1).max() < 0.15
    variance = found.covariance.diagonal(dim1=-2, dim2=-1)
    assert (variance[:, :2] < 0.02).all() and (variance[:, 2] > 0.1).all()


@torch.no_grad()
def test_an_update_from_afar_lowers_the_cost_and_is_a_minimum() -> None:
    """From a quarter turn away, plain Gauss-Newton steps may overshoot: damped ones must not."""
    with torch.enable_grad():
        decoder = ring_decoder()
    prediction = Belief(torch.tensor([[1.0, 0.0, 0.0]]).double(), 0.5 * torch.eye(3).double().expand(1, -1, -1))
    target = decoder(torch.tensor([[0.2, 0.98, 0.0]]))
    found = EmissionFilter(decoder, SIGMA, iterations=30).update(prediction, target)

    def cost(state: Tensor) -> Tensor:
        gap = (state - prediction.mean.float()).square().sum(-1) / 0.5
        return 0.5 * (gap + (decoder(state) - target).square().sum(-1) / SIGMA**2)

    lowest = cost(found.mean.float())
    assert lowest < 0.1 * cost(prediction.mean.float())
    nearby = found.mean.float() + 0.02 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    assert (cost(nearby) > lowest - 0.05).all()


@pytest.mark.parametrize("narrow", [1e-12, 0.0])
@torch.no_grad()
def test_a_state_that_is_all_but_known_stays(narrow: float) -> None:
    known = Belief(torch.ones(2, 3).double(), narrow * torch.eye(3).double().expand(2, -1, -1))
    found = EmissionFilter(linear_decoder(), SIGMA).update(known, torch.zeros(2, 8))
    torch.testing.assert_close(found.mean, known.mean, rtol=0, atol=1e-6)
    assert found.covariance.isfinite().all()


@torch.no_grad()
def test_what_the_decoder_does_not_read_is_corrected_through_the_covariance_alone() -> None:
    torch.manual_seed(0)
    decoder, frame = mlp((2, 8)).double(), torch.randn(4, 8, generator=torch.Generator().manual_seed(2)).double()
    matrix, bias = emission_matrix(decoder)
    padded = torch.cat((matrix, torch.zeros(8, 1, dtype=torch.float64)), 1)
    noise = SIGMA**2 * torch.eye(8, dtype=torch.float64)
    found = EmissionFilter(decoder, SIGMA, position_size=2).update(belief(), frame)
    expected = kalman.update(belief(), frame - bias, padded, noise)
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-6, atol=1e-10)
