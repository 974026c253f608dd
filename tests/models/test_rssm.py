"""The RSSM: rate against the log ratio it stands for, filter against smoother, memory against a plain LSTM."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from latentrl.models.base import drawn_beginning
from latentrl.models.rssm import RSSM, RSSMSettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief, Sequences

BATCH, LENGTH, PIXELS, DZ = 3, 4, 6, 2


def make_model(position_size: int | None = None, shortest: int = 0) -> RSSM:
    torch.manual_seed(0)
    settings = RSSMSettings(
        state_size=DZ,
        position_size=position_size,
        shortest=shortest,
        recurrent_hidden=5,
        transition_hidden=(8,),
        recognition_hidden=7,
        head_hidden=(8,),
        decoder_hidden=(8,),
        prior="normal",
    )
    model = RSSM(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings)
    with torch.no_grad():
        for parameter in model.recurrence.parameters():
            parameter.mul_(3)
    return model


def batch(count: int = BATCH) -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.randn(count, LENGTH, PIXELS, generator=g), torch.randn(count, LENGTH - 1, 1, generator=g))


def density(normal: DiagonalGaussian) -> Independent:
    return Independent(Normal(normal.mean, normal.variance.sqrt()), 1)


@torch.no_grad()
def test_the_rate_is_the_divergence_of_posterior_and_prior() -> None:
    """E_q[log q(z_1:T | x, u) - log p(z_1:T | u)], with both densities written down step by step for each sample."""
    model, count = make_model(), 20_000
    one = batch(1)
    data = Sequences(one.observations.expand(count, -1, -1), one.actions.expand(count, -1, -1))
    controls = data.actions / 2.0
    states, rate = model.sample_posterior(data.observations, controls, torch.Generator().manual_seed(0))
    features = model.recurrent(data.observations, controls)
    log_ratio = torch.zeros(count)
    for t in range(LENGTH):
        past = torch.cat((states[:, :t], controls[:, :t]), -1)
        hidden = model.recurrence.lstm(past)[0][:, -1] if t > 0 else torch.zeros(count, 5)
        posterior = model.head(torch.cat((features[:, t], hidden), -1))
        prior = (
            Independent(Normal(torch.zeros(DZ), torch.ones(DZ)), 1) if t == 0 else density(model.prior_network(hidden))
        )
        log_ratio += density(posterior).log_prob(states[:, t]) - prior.log_prob(states[:, t])
    error = (log_ratio - rate).std() / count**0.5
    assert abs(float((log_ratio - rate).mean())) < 4 * float(error) < 0.1
    assert float(rate.std()) < float(log_ratio.std()), "divergences in closed form have less noise"


@torch.no_grad()
def test_without_a_future_the_filter_is_the_smoother() -> None:
    model, data = make_model(), batch()
    first = model.smooth(data.observations[:, :1], data.actions[:, :0])
    belief = model.initial_belief(data.observations[:, 0])
    torch.testing.assert_close(belief.mean, first.mean[:, 0])
    torch.testing.assert_close(belief.covariance, first.covariance[:, 0])
    # From what the smoother knew one step before the end, the filter finishes as the smoother does.
    smoothed = model.smooth(data.observations, data.actions)
    before = Belief(smoothed.mean[:, -2], smoothed.covariance[:, -2])
    last = model.filter(before, data.actions[:, -1], data.observations[:, -1])
    torch.testing.assert_close(last.mean, smoothed.mean[:, -1])
    torch.testing.assert_close(last.covariance, smoothed.covariance[:, -1])


def imagined(model: RSSM, state: Tensor, actions: Tensor) -> Tensor:
    for action in actions.unbind(1):
        state = model.transition(state, action).mean
    return state


@torch.no_grad()
def test_imagination_is_the_lstm_over_the_whole_past() -> None:
    model, data = make_model(), batch()
    state = model.initial_states(BATCH, torch.Generator().manual_seed(0))
    latents = [state[:, :DZ]]
    for t in range(LENGTH - 1):
        past = torch.cat((torch.stack(latents, 1), data.actions[:, : t + 1] / 2.0), -1)
        latents.append(model.prior_network(model.recurrence.lstm(past)[0][:, -1]).mean)
    torch.testing.assert_close(imagined(model, state, data.actions)[:, :DZ], latents[-1])


@torch.no_grad()
def test_what_z_forgets_the_memory_may_know() -> None:
    """Two states with one z and different pasts look alike and move differently: z is not Markovian."""
    model, data = make_model(), batch()
    state = model.smooth(data.observations, data.actions).mean[:, -1].float()
    other = state.clone()
    other[:, DZ:] = model.recurrence.empty(BATCH)
    torch.testing.assert_close(model.emission(other).mean, model.emission(state).mean)
    ahead = [model.transition(s, data.actions[:, 0]).mean[:, :DZ] for s in (state, other)]
    assert ((ahead[0] - ahead[1]).abs() > 1e-4).any()


@torch.no_grad()
def test_the_position_alone_is_decoded_and_a_goal() -> None:
    model, data = make_model(position_size=1), batch()
    states = torch.randn(5, model.state_size)
    other = torch.cat((states[:, :1], torch.randn(5, model.state_size - 1)), 1)
    assert torch.equal(model.decode(states[:, :DZ]), model.decode(other[:, :DZ]))
    assert model.encode_goal(data.observations[0, 0]).shape == (1,)
    velocity = model.smooth(data.observations[:1], data.actions[:1]).mean[0, :, 1:DZ].mean(0)
    torch.testing.assert_close(model.encode_goal(data.observations[0], data.actions[0]), velocity.float())


@torch.no_grad()
def test_beyond_the_recorded_controls_the_memory_goes_on_linearly() -> None:
    """Within them it is the LSTM's; at k times the largest it lies on the line through the two ends."""
    model = make_model()
    state = torch.cat((torch.randn(6, DZ), 0.3 * torch.randn(6, model.state_size - DZ)), 1)
    latent, memory = state[:, :DZ], state[:, DZ:]
    largest = torch.full((6, 1), 2.0)
    ends = {sign: model.remember(latent, sign * torch.ones(6, 1), memory) for sign in (1.0, -1.0)}
    for sign, end in ends.items():
        torch.testing.assert_close(model.transition(state, sign * largest).memory, end)
        middle = 0.5 * (ends[1.0] + ends[-1.0])
        expected = middle + 3.5 * (end - middle)
        torch.testing.assert_close(model.transition(state, 3.5 * sign * largest).memory, expected)
    inside = model.remember(latent, 0.4 * torch.ones(6, 1), memory)
    torch.testing.assert_close(model.transition(state, 0.4 * largest).memory, inside)


@torch.no_grad()
@pytest.mark.parametrize("largest", [2.0, 5.0], ids=["as recorded", "beyond"])
def test_a_rollout_is_the_transition_step_by_step(largest: float) -> None:
    model, g = make_model(), torch.Generator().manual_seed(2)
    state = torch.randn(7, model.state_size, generator=g)
    actions = largest * (2.0 * torch.rand(7, 5, 1, generator=g) - 1.0)
    path = model.rollout(state, actions)
    for t, action in enumerate(actions.unbind(1)):
        state = model.transition(state, action).mean
        torch.testing.assert_close(path[:, t], state)
    torch.testing.assert_close(model.rollout(state[:1], actions), model.rollout(state[:1].expand(7, -1), actions))


def test_at_the_largest_recorded_action_slopes_are_those_from_within() -> None:
    """Automatic differentiation has none there: what an action exceeds the recorded ones by has a kink."""
    model, g = make_model(), torch.Generator().manual_seed(2)
    state, scale = 0.5 * torch.randn(7, model.state_size, generator=g), model.control_scale.expand(7, -1)
    for sign in (-1.0, 1.0):
        at, within = (model.jacobians(state, share * sign * scale)[1] for share in (1.0, 0.999))
        torch.testing.assert_close(at, within, rtol=1e-2, atol=1e-4)
        assert at.abs().max() > 1e-3


def test_training_sees_beginnings_of_every_length_and_counts_them_as_whole() -> None:
    model, data = make_model(shortest=2), batch()
    lengths = {drawn_beginning(data, 2, torch.Generator().manual_seed(seed)).length for seed in range(40)}
    assert lengths == {2, 3, 4}
    model.train()
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        shown = drawn_beginning(data, 2, torch.Generator().manual_seed(seed))
        found = model.rate_distortion(data, g)
        whole = make_model().rate_distortion(shown, _after_one_draw(seed))
        torch.testing.assert_close(found.rate * shown.length / data.length, whole.rate)
        torch.testing.assert_close(found.distortion * shown.length / data.length, whole.distortion)
    model.eval()
    terms = model.sampled_rate_distortion(data, torch.Generator().manual_seed(0))
    assert terms.states is not None and terms.states.shape == (BATCH, LENGTH, DZ)


def _after_one_draw(seed: int) -> torch.Generator:
    g = torch.Generator().manual_seed(seed)
    drawn_beginning(batch(), 2, g)
    return g
