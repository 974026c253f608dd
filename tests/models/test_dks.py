"""DKS against brute force: with scripted posteriors the rate is known; the filter is the Kalman filter if linear."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrl.inference import kalman
from latentrl.models.dks import DKS, DKFSettings, DKSSettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief, Sequences

BATCH, LENGTH, PIXELS, SIZE = 3, 5, 6, 2
G = torch.tensor([[-0.1, 0.3, 0.1], [-0.2, -0.2, 0.5]])  # change of z by z and the control
Q = torch.tensor([0.05, 0.1])
SIGMA = 0.4


def linear_model() -> DKS:
    torch.manual_seed(0)
    settings = DKSSettings(
        state_size=SIZE, decoder_hidden=(), transition_hidden=(), prior="normal", initial_sigma=SIGMA
    )
    model = DKS(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings)
    layer = model.dynamics.network[0]
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:SIZE] = G
        layer.bias.copy_(torch.cat((torch.zeros(SIZE), Q.log())))
    return model


def batch() -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.randn(BATCH, LENGTH, PIXELS, generator=g), torch.randn(BATCH, LENGTH - 1, 1, generator=g))


def divergence(mean: Tensor, variance: Tensor, actions: Tensor) -> Tensor:
    """E_q[log q(z_1:T) - log p(z_1:T | u)] for q factorised over time, p(z_1) = N(0, I), in closed form ``[B]``."""
    total = 0.5 * (variance[:, 0] + mean[:, 0].square() - 1 - variance[:, 0].log()).sum(-1)
    slope = torch.eye(SIZE) + G[:, :SIZE]
    for t in range(1, LENGTH):
        gap = mean[:, t] - mean[:, t - 1] @ slope.T - (actions[:, t - 1] / 2.0) @ G[:, SIZE:].T
        # The variance of z_{t-1}, spread by the transition, counts as a squared error.
        spread = variance[:, t - 1] @ slope.square().T
        terms = (variance[:, t] + gap.square() + spread) / Q - 1 - (variance[:, t] / Q).log()
        total = total + 0.5 * terms.sum(-1)
    return total


@torch.no_grad()
def test_the_rate_is_the_divergence_of_a_factorised_posterior() -> None:
    model, data, g = linear_model(), batch(), torch.Generator().manual_seed(2)
    mean, variance = torch.randn(BATCH, LENGTH, SIZE, generator=g), 0.05 + torch.rand(BATCH, LENGTH, SIZE, generator=g)

    class Scripted(nn.Module):
        def forward(self, observations: Tensor, controls: Tensor) -> DiagonalGaussian:
            return DiagonalGaussian(mean, variance)

    model.recognition = Scripted()  # type: ignore[assignment]
    estimates = torch.stack([model.rate_distortion(data, g).rate for _ in range(3000)])
    error = (estimates.mean(0) - divergence(mean, variance, data.actions)).abs()
    assert (error < 4 * estimates.std(0) / math.sqrt(3000)).all()
    smoothed = model.smooth(data.observations, data.actions)
    torch.testing.assert_close(smoothed.mean, mean.double())
    torch.testing.assert_close(smoothed.covariance, torch.diag_embed(variance).double())


@torch.no_grad()
def test_the_online_filter_is_the_kalman_filter() -> None:
    model, data = linear_model(), batch()
    layer = model.decoder.body[0]
    assert isinstance(layer, nn.Linear)
    matrix, bias = layer.weight.double(), layer.bias.double()
    belief = expected = Belief(torch.zeros(BATCH, SIZE).double(), torch.eye(SIZE).double().expand(BATCH, -1, -1))
    noise = SIGMA**2 * torch.eye(PIXELS, dtype=torch.float64)
    slope = (torch.eye(SIZE) + G[:, :SIZE]).double()
    for t in range(1, LENGTH):
        frame = None if t == 2 else data.observations[:, t]
        belief = model.filter(belief, data.actions[:, t - 1], frame)
        offset = (data.actions[:, t - 1] / 2.0).double() @ G[:, SIZE:].double().T
        expected = kalman.predict(expected, slope, Q.double().diag(), offset)
        if frame is not None:
            expected = kalman.update(expected, frame.double() - bias, matrix, noise)
        torch.testing.assert_close(belief.mean, expected.mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(belief.covariance, expected.covariance, rtol=1e-3, atol=1e-6)


def steps_changed_by_the_last_frame(settings: DKSSettings) -> list[bool]:
    torch.manual_seed(0)
    model, data = DKS(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings), batch()
    changed = data.observations.clone()
    changed[:, -1] += 1
    before, after = (model.smooth(x, data.actions).mean for x in (data.observations, changed))
    return ((before - after).abs().amax((0, 2)) > 1e-7).tolist()


def test_the_smoother_looks_ahead_and_the_filter_does_not() -> None:
    assert steps_changed_by_the_last_frame(DKSSettings()) == [True] * LENGTH
    assert steps_changed_by_the_last_frame(DKFSettings()) == [False] * (LENGTH - 1) + [True]


def test_the_goal_of_a_picture_is_the_middle_of_a_motionless_sequence() -> None:
    model = linear_model()
    picture = torch.rand(PIXELS)
    still = model.smooth(picture.expand(1, 15, -1), torch.zeros(1, 14, 1)).mean[0, 7]
    torch.testing.assert_close(model.encode_goal(picture), still.float())
