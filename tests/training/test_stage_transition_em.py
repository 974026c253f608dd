"""Expectation-maximisation against a linear system, whose likelihood the Kalman filter tells exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.training.stages.transition_em import fit_transition_by_em
from latentrl.types import Sequences

PROCESS, SENSOR, SPREAD = 0.05, 0.1, 0.3
TRUE_STATE = torch.tensor([[1.0, 0.0, 0.3, 0.0], [0.0, 1.0, 0.0, 0.3], [-0.2, 0.0, 0.9, 0.1], [0.0, -0.1, 0.0, 0.8]])
TRUE_CONTROL = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.4, 0.0], [0.1, 0.3]])


class AsItIs(nn.Module):
    """An encoder that takes the sensors for the positions."""

    def forward(self, observations: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(observations, torch.full_like(observations, 1e-8))


def linear_motion(sequences: int, seed: int, length: int = 12) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    actions = 2 * torch.rand(sequences, length - 1, 2, generator=g) - 1
    states = [torch.randn(sequences, 4, generator=g)]
    for action in actions.unbind(1):
        noise = PROCESS * torch.randn(sequences, 4, generator=g)
        states.append(states[-1] @ TRUE_STATE.T + action @ TRUE_CONTROL.T + noise)
    positions = torch.stack(states, 1)[..., :2]
    return Sequences(positions + SENSOR * torch.randn(positions.shape, generator=g), actions)


def make(base_matrices: int) -> EKVAE:
    torch.manual_seed(0)
    settings = EKVAESettings(4, 2, base_matrices, gate_hidden=(4,), hidden=(4,))
    made = EKVAE(DataSpec((2,), "float32", 2, (1.0, 1.0)), settings)
    made.encoder = AsItIs()
    return made


@pytest.fixture
def model() -> EKVAE:
    return make(base_matrices=1)


@torch.no_grad()
def log_likelihood(model: EKVAE, data: Sequences) -> float:
    """log p(a_2:T | a_1, u) of a time step: that of the filter's innovations."""
    weights = model.dynamics.weights(torch.float64)
    predicted = model.run_filter(data.observations.double(), weights.scaled(data.actions), weights).predicted
    innovation = model.projection @ predicted.covariance @ model.projection.T + model.emission_variance().diag()
    density = MultivariateNormal(predicted.mean[..., :2], innovation)
    return float(density.log_prob(data.observations.double())[:, 1:].mean())


@torch.no_grad()
def tell(model: EKVAE, wrong_by: float = 0.0, noisier: float = 1.0) -> None:
    """Make ``model`` the true system, or nearly."""
    g = torch.Generator().manual_seed(0)
    for own, true in ((model.dynamics.state_matrices, TRUE_STATE), (model.dynamics.control_matrices, TRUE_CONTROL)):
        own.copy_(true[None] + wrong_by * torch.randn(true.shape, generator=g))
    model.dynamics.log_noise.fill_(2 * math.log(noisier * PROCESS))
    model.log_emission_noise.fill_(2 * math.log(noisier * SENSOR))


def test_unseen_motion_becomes_nearly_as_likely_as_under_the_true_system(
    model: EKVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentrl.training.stages.transition_em.ROUND", 60)
    recorded, unseen = linear_motion(500, seed=0), linear_motion(500, seed=1)
    tell(model)
    best = log_likelihood(model, unseen)
    tell(model, wrong_by=0.1, noisier=3.0)
    before, state = log_likelihood(model, unseen), {key: value.clone() for key, value in model.state_dict().items()}
    assert fit_transition_by_em(model, recorded, 1200, SPREAD, progress=False) > 0
    after, changed = log_likelihood(model, unseen), model.state_dict()
    assert before < best - 0.5 and best - 0.1 < after < best + 0.02
    assert {key for key, value in state.items() if not torch.equal(value, changed[key])} == {
        "dynamics.state_matrices",
        "dynamics.control_matrices",
        "dynamics.log_noise",
        "log_emission_noise",
    }


def test_the_true_system_stays_what_it_is(model: EKVAE) -> None:
    tell(model)
    fit_transition_by_em(model, linear_motion(2000, seed=0), 600, SPREAD, progress=False)
    assert model.emission_variance().sqrt().tolist() == pytest.approx([SENSOR, SENSOR], rel=0.1)
    assert float((model.dynamics.state_matrices[0].detach() - TRUE_STATE).abs().max()) < 0.1


def test_the_seed_decides_and_no_steps_change_nothing(model: EKVAE) -> None:
    data, start = linear_motion(20, seed=0), {key: value.clone() for key, value in model.state_dict().items()}
    found = []
    for seed in (0, 0, 1):
        model.load_state_dict(start)
        fit_transition_by_em(model, data, 3, SPREAD, seed, progress=False)
        found.append(model.dynamics.state_matrices.detach().clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    model.load_state_dict(start)
    assert fit_transition_by_em(model, data, 0, SPREAD, progress=False) == 0
    assert all(torch.equal(value, start[key]) for key, value in model.state_dict().items())
    single = Sequences(data.observations[:, :1], data.actions[:, :0])
    assert fit_transition_by_em(model, single, 3, SPREAD, progress=False) == 0


def test_a_base_matrix_that_no_state_uses_comes_to_the_others() -> None:
    model = make(base_matrices=3)
    tell(model)
    with torch.no_grad():
        model.dynamics.state_matrices[2] *= 1.5
        # The last layer of the alpha network: the third weight is exp(-30) everywhere.
        last = model.dynamics.gate[-1]
        assert isinstance(last, nn.Linear)
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 0.0, -30.0]))
    fit_transition_by_em(model, linear_motion(200, seed=0), 1500, SPREAD, progress=False)
    used, unused = model.dynamics.state_matrices[:2].detach().mean(0), model.dynamics.state_matrices[2].detach()
    assert float((used - TRUE_STATE).abs().max()) < 0.1
    assert float((unused - used).abs().max()) < 0.1
