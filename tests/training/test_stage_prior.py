"""The initial distribution alone, fitted anew: start states are where first states are."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.priors.vhp import VHP
from latentrl.training.stages.prior import fit_prior
from latentrl.types import Belief, Sequences
from tests.arms import wander

THICKNESS = 0.02


@pytest.fixture
def arms() -> Sequences:
    return wander(1000, 3, size=8)[0]


def make(arms: Sequences, prior: str = "vhp") -> EKVAE:
    torch.manual_seed(0)
    return EKVAE(DataSpec.of(arms), EKVAESettings(state_size=3, position_size=2, hidden=(16,), prior=prior))


@pytest.fixture
def on_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smoothed first states on a thin ring, at rest."""

    def smooth(model: WorldModel, data: Sequences) -> Belief:
        angle = 2 * math.pi * torch.rand(len(data), generator=torch.Generator().manual_seed(0))
        first = torch.stack((angle.cos(), angle.sin(), torch.zeros_like(angle)), -1).double()
        covariance = THICKNESS**2 * torch.eye(3).double()
        return Belief(first.unsqueeze(1).expand(-1, 3, -1), covariance.expand(len(data), 3, 3, 3))

    monkeypatch.setattr("latentrl.training.stages.prior.smooth", smooth)


def off_the_ring(model: EKVAE) -> float:
    radius = model.initial_states(2000, torch.Generator().manual_seed(1)).detach()[:, :2].norm(dim=1)
    return float(((radius - 1).abs() > 0.1).float().mean())


@pytest.mark.usefixtures("on_a_ring")
def test_start_states_lie_on_the_ring_and_nothing_else_moves(arms: Sequences) -> None:
    model = make(arms)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert off_the_ring(model) > 0.8
    assert fit_prior(model, arms, 1500, progress=False) > 0
    assert off_the_ring(model) < 0.3, "one sample of zeta leaves 0.7"
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, state[name])}
    assert moved and all(name.startswith("initial_distribution.") for name in moved)
    assert "initial_distribution.gauge" not in moved


@pytest.mark.usefixtures("on_a_ring")
def test_the_states_coordinates_stay(arms: Sequences) -> None:
    """With another gauge, start states are still where the first states are."""
    model = make(arms)
    assert isinstance(model.initial_distribution, VHP)
    model.initial_distribution.gauge.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.4, -0.3, 1]]))
    fit_prior(model, arms, 1500, progress=False)
    assert off_the_ring(model) < 0.3
    assert float(model.initial_states(2000).detach()[:, 2].std()) < 0.2


def test_the_seed_decides_and_a_normal_prior_or_no_steps_change_nothing(arms: Sequences) -> None:
    found = []
    for seed in (0, 0, 1):
        model = make(arms)
        fit_prior(model, arms, 2, seed, progress=False)
        found.append(model.initial_states(3, torch.Generator().manual_seed(1)).detach())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    for model, steps in ((make(arms), 0), (make(arms, "normal"), 2)):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        assert fit_prior(model, arms, steps, progress=False) == 0
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
