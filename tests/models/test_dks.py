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


def batch(times: int = 1) -> Sequences:
    """``BATCH`` sequences, so many times: what is drawn for each of them is drawn anew."""
    g = torch.Generator().manual_seed(1)
    observations, actions = (torch.randn(BATCH, *shape, generator=g) for shape in ((LENGTH, PIXELS), (LENGTH - 1, 1)))
    return Sequences(observations.repeat(times, 1, 1), actions.repeat(times, 1, 1))


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
            times = len(observations) // BATCH
            return DiagonalGaussian(mean.repeat(times, 1, 1), variance.repeat(times, 1, 1))

    model.recognition = Scripted()  # type: ignore[assignment]
    estimates = model.rate_distortion(batch(3000), g).rate.view(3000, BATCH)
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


def test_beyond_the_recorded_controls_the_transition_goes_on_linearly() -> None:
    torch.manual_seed(0)
    model = DKS(DataSpec((PIXELS,), "float32", 2, (2.0, 3.0)))
    state, edge = torch.randn(4, 3), torch.tensor([2.0, -1.5])

    def mean(times: float) -> Tensor:
        return model.transition(state, times * edge.expand(4, -1)).mean

    inside = model._move(state, (0.5 * edge / torch.tensor([2.0, 3.0])).expand(4, -1)).mean
    torch.testing.assert_close(mean(0.5), inside)
    assert (mean(0.0) - 2 * mean(0.5) + mean(1.0)).abs().max() > 1e-3, "inside it is the network's, which bends"
    torch.testing.assert_close(mean(3.0) - mean(2.0), (mean(1.0) - mean(-1.0)) / 2)
    torch.testing.assert_close(mean(1.0 + 1e-5), mean(1.0), rtol=1e-4, atol=1e-4)


def test_pictures_are_drawn_from_the_position_alone() -> None:
    torch.manual_seed(0)
    model = DKS(DataSpec((PIXELS,), "float32", 1, (2.0,)), DKSSettings(position_size=2))
    state = torch.randn(4, 3)
    moving = state + torch.tensor([0.0, 0.0, 1.0])
    torch.testing.assert_close(model.emission(state).mean, model.emission(moving).mean)
    assert (model.emission(state).mean - model.emission(state + torch.tensor([0.0, 1.0, 0.0])).mean).abs().max() > 1e-4
    position, velocity = model.split(state)
    assert position.shape == (4, 2) and velocity.shape == (4, 1)
    data = batch()
    velocities = model.smooth(data.observations[:1], data.actions[:1]).mean[0, :, 2:]
    torch.testing.assert_close(model.encode_goal(data.observations[0], data.actions[0]), velocities.mean(0).float())


def test_training_sees_beginnings_of_every_length_and_evaluation_whole_sequences() -> None:
    torch.manual_seed(0)
    model, g = DKS(DataSpec((PIXELS,), "float32", 1, (2.0,)), DKSSettings(shortest=2)), torch.Generator().manual_seed(0)

    def lengths() -> set[int]:
        found = [model.sampled_rate_distortion(batch(), g).states for _ in range(60)]
        return {states.shape[1] for states in found if states is not None}

    assert lengths() == set(range(2, LENGTH + 1))
    assert model.eval() is model and lengths() == {LENGTH}


@torch.no_grad()
def test_the_chained_posterior_s_moments_are_those_of_its_paths() -> None:
    model, data, g = linear_model(), batch(), torch.Generator().manual_seed(0)
    object.__setattr__(model.settings, "posterior", "chained")
    smoothed = model.smooth(data.observations, data.actions)
    many = Sequences(data.observations.repeat(4000, 1, 1), data.actions.repeat(4000, 1, 1))
    states = model.sampled_rate_distortion(many, g).states
    assert states is not None
    paths = states.unflatten(0, (4000, BATCH)).double()
    deviation = smoothed.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((paths.mean(0) - smoothed.mean).abs() < 5 * deviation / math.sqrt(4000)).all()
    torch.testing.assert_close(paths.std(0), deviation, rtol=0.1, atol=0)
