"""The KVAE against the plain Kalman recursion and against brute force on the joint Gaussian."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from latentrl.inference import kalman
from latentrl.models import MODELS
from latentrl.models.kvae import KVAE, KVAESettings, Matrices
from latentrl.models.spec import DataSpec
from latentrl.types import Belief, Sequences, stack_beliefs

BATCH, LENGTH, PIXELS = 3, 5, 6
DZ, DA = 3, 2


def make_model(emission: Literal["mixed", "identity"] = "mixed", base_matrices: int = 4) -> KVAE:
    """A model whose matrices differ much between memories, with p(z_1) = N(0, I) for the filter too."""
    torch.manual_seed(0)
    settings = KVAESettings(
        base_matrices=base_matrices,
        recurrent_hidden=6,
        gate_hidden=(8,),
        hidden=(7,),
        prior="normal",
        emission=emission,
        noise_floor=0.0,
    )
    model = KVAE(DataSpec((PIXELS,), "float32", 1, (2.0,)), settings)
    with torch.no_grad():
        for part, scale in ((model.state_matrices, 0.3), (model.control_matrices, 1.0), (model.log_noise, 1.0)):
            part.add_(scale * torch.randn(part.shape))
        model.log_emission_noise.copy_(torch.tensor([0.02, 0.03]).log())
        if emission == "mixed":
            model.emission_matrices.add_(0.5 * torch.randn(model.emission_matrices.shape))
        for parameter in (*model.recurrence.parameters(), *model.gate.parameters()):
            parameter.mul_(4)
    return model


def batch() -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.randn(BATCH, LENGTH, PIXELS, generator=g), torch.randn(BATCH, LENGTH - 1, 1, generator=g))


def matrices_over_time(model: KVAE, positions: Tensor) -> Matrices:
    found = model.matrices(model.recurrence(positions))
    return found._replace(emission=found.emission.expand(BATCH, LENGTH, DA, DZ))


def log_likelihood_of_positions(model: KVAE, positions: Tensor, actions: Tensor) -> Tensor:
    """log p(a_1:T | u) from the joint Gaussian of all a, with every z_t written as a sum of noises."""
    over_time, noise = matrices_over_time(model, positions), model.emission_variance()
    likelihoods = []
    for i in range(BATCH):
        dynamics, q, h = (part[i] for part in over_time)
        # z_t = means[t] + maps[t] @ (z_1, w_2, ..., w_T)
        means, maps = [torch.zeros(DZ).double()], [torch.eye(DZ, DZ * LENGTH).double()]
        for t in range(1, LENGTH):
            f, b = dynamics[t, :, :DZ], dynamics[t, :, DZ:]
            means.append(f @ means[-1] + b @ (actions[i, t - 1].double() / 2.0))
            own = torch.zeros(DZ, DZ * LENGTH).double()
            own[:, DZ * t : DZ * (t + 1)] = torch.eye(DZ)
            maps.append(f @ maps[-1] + own)
        sources = torch.cat([torch.ones(DZ).double(), *q[1:]]).diag()
        stacked = torch.cat([h[t] @ maps[t] for t in range(LENGTH)])
        covariance = stacked @ sources @ stacked.T + noise.repeat(LENGTH).diag()
        mean = torch.cat([h[t] @ means[t] for t in range(LENGTH)])
        joint = torch.distributions.MultivariateNormal(mean, covariance)
        likelihoods.append(joint.log_prob(positions[i].double().flatten()))
    return torch.stack(likelihoods)


@torch.no_grad()
@pytest.mark.parametrize("emission", ["mixed", "identity"])
def test_the_rate_is_exact(emission: Literal["mixed", "identity"]) -> None:
    """Where the filter starts from p(z_1), nothing is left to chance: every sample gives log p(a_1:T | u)."""
    model, data = make_model(emission), batch()
    posterior = model.encode(data.observations)
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        positions = posterior.rsample(g)
        rate = model.rate(posterior, positions, data.actions, g)
        evidence = posterior.log_prob(positions).sum(1) - rate
        exact = log_likelihood_of_positions(model, positions, data.actions)
        torch.testing.assert_close(evidence, exact, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_filter_that_starts_elsewhere_only_loosens_the_bound() -> None:
    model, data = make_model(), batch()
    model.filter_mean.copy_(torch.tensor([0.3, -0.2, 0.5]))
    model.log_filter_variance.copy_(torch.tensor([0.5, 1.5, 0.8]).log())
    posterior = model.encode(data.observations)
    positions = posterior.mean
    exact = log_likelihood_of_positions(model, positions, data.actions)
    count = 2000
    many = [t.repeat(count, *[1] * (t.dim() - 1)) for t in (posterior.mean, posterior.variance, positions)]
    repeated = type(posterior)(many[0], many[1])
    rate = model.rate(repeated, many[2], data.actions.repeat(count, 1, 1), torch.Generator().manual_seed(0))
    samples = (repeated.log_prob(many[2]).sum(1) - rate).view(count, BATCH)
    error = samples.std(0) / count**0.5
    assert (samples.mean(0) < exact).all(), (samples.mean(0), exact)
    assert (samples.mean(0) > exact - 1.0).all() and (error < 0.1).all()


@torch.no_grad()
@pytest.mark.parametrize("base_matrices", [1, 4])
def test_the_smoother_is_the_plain_one(base_matrices: int) -> None:
    """With one base matrix, alpha is constant, and with it the linear system."""
    model, data = make_model(base_matrices=base_matrices), batch()
    positions = model.encode(data.observations).mean
    over_time = matrices_over_time(model, positions)
    if base_matrices == 1:
        assert (over_time.dynamics == over_time.dynamics[:1, :1]).all()
    belief = Belief(torch.zeros(BATCH, DZ).double(), torch.eye(DZ).double().expand(BATCH, -1, -1))
    predicted, filtered = [belief], []
    noise = model.emission_variance().diag()
    f, q = over_time.dynamics[..., :DZ], torch.diag_embed(over_time.noise)
    for t in range(LENGTH):
        filtered.append(kalman.update(predicted[t], positions[:, t].double(), over_time.emission[:, t], noise))
        if t + 1 < LENGTH:
            offset = over_time.dynamics[:, t + 1, :, DZ:] @ (data.actions[:, t, :, None].double() / 2.0)
            predicted.append(kalman.predict(filtered[t], f[:, t + 1], q[:, t + 1], offset.squeeze(-1)))
    expected = kalman.smooth_all(stack_beliefs(filtered), stack_beliefs(predicted), f[:, 1:], q[:, 1:])
    found = model.smooth(data.observations, data.actions)
    # The LSTM and the gate are single precision: whole sequences and single steps round differently.
    torch.testing.assert_close(found.mean[..., :DZ], expected.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_state_knows_the_frames_and_the_memory_what_came_before() -> None:
    model, data = make_model(), batch()
    positions = model.encode(data.observations).mean
    belief = model.initial_belief(data.observations[:, 0])
    outputs = model.recurrence(positions)
    for t in range(1, LENGTH):
        belief = model.filter(belief, data.actions[:, t - 1], data.observations[:, t])
        memory = model.unpack(belief.mean.float()).memory
        torch.testing.assert_close(model.recurrence.output(memory), outputs[:, t], rtol=1e-4, atol=1e-5)
    # At the mean of a belief that has seen a frame, the emission decodes that frame's own a.
    torch.testing.assert_close(
        model.emission(belief.mean.float()).mean, model.decode(positions[:, -1]), rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_imagination_goes_on_with_h_z() -> None:
    model, data = make_model(), batch()
    state = model.smooth(data.observations, data.actions).mean[:, -1].float()
    step = model.transition(state, data.actions[:, 0])
    following = step.rsample(torch.Generator().manual_seed(0))
    parts = model.unpack(following)
    assert (parts.residual == 0).all()
    expected = model.recurrence.step(model.encode(data.observations[:, -1]).mean, model.unpack(state).memory)
    torch.testing.assert_close(parts.memory, expected, rtol=1e-4, atol=1e-5)
    matrices = model.matrices(model.recurrence.output(parts.memory), torch.float32)
    torch.testing.assert_close(model.emission(following).mean, model.decode(matrices.position(parts.state)))


@torch.no_grad()
def test_the_states_that_penalties_see_are_drawn_from_the_smoothed_marginals() -> None:
    model, data, count = make_model("identity"), batch(), 4000
    one = Sequences(*(part[:1].expand(count, -1, -1) for part in (data.observations, data.actions)))
    posterior = model.encode(one.observations)
    _, states = model.sampled_rate(posterior, posterior.mean, one.actions, torch.Generator().manual_seed(0))
    smoothed = model.smooth(data.observations[:1], data.actions[:1])
    deviation = smoothed.covariance[0].diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((states.mean(0) - smoothed.mean[0, :, :DZ]).abs() < 5 * deviation / count**0.5).all()
    torch.testing.assert_close(states.std(0), deviation, rtol=0.06, atol=0.0)


def test_the_recipe_of_the_project_has_positions_and_the_sources_has_none() -> None:
    entry = MODELS["kvae"]
    model = KVAE(DataSpec((PIXELS,), "float32", 1, (2.0,)))
    assert (model.position_size, model.latent_size) == (DA, DZ)
    plain = KVAE(model.spec, replace(model.settings, **entry.source))
    assert plain.position_size == plain.latent_size == DZ


@torch.no_grad()
@pytest.mark.parametrize("emission", ["identity", "mixed"])
def test_a_rollout_is_the_transition_step_by_step(emission: Literal["mixed", "identity"]) -> None:
    model, g = make_model(emission=emission), torch.Generator().manual_seed(2)
    state = 0.5 * torch.randn(7, model.state_size, generator=g)
    actions = 4.0 * torch.rand(7, 5, model.spec.action_size, generator=g) - 2.0
    path = model.rollout(state, actions)
    for t, action in enumerate(actions.unbind(1)):
        state = model.transition(state, action).mean
        torch.testing.assert_close(path[:, t], state)
    torch.testing.assert_close(model.rollout(state[:1], actions), model.rollout(state[:1].expand(7, -1), actions))
