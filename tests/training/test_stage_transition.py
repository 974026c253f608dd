"""The transition alone: it predicts better, and the networks stay."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.training.penalties.velocity import velocity_unexplained
from latentrl.training.stages.transition import fit_transition
from latentrl.types import Sequences
from tests.arms import wander

WEIGHT = 5.0


@pytest.fixture
def arms() -> Sequences:
    return wander(200, 8, size=8)[0]


@pytest.fixture
def model(arms: Sequences) -> EKVAE:
    torch.manual_seed(0)
    return EKVAE(DataSpec.of(arms), EKVAESettings(state_size=4, position_size=2, hidden=(32,)))


def unexplained(states: Tensor, index: Tensor) -> Tensor:
    assert len(states) == len(index)
    return velocity_unexplained(states, 2)


@torch.no_grad()
def figures(model: EKVAE, data: Sequences) -> tuple[float, float]:
    """Rate of a time step, and what the velocities leave unexplained."""
    sampled = model.sampled_rate_distortion(data, torch.Generator().manual_seed(0))
    assert sampled.states is not None
    return float(sampled.terms.rate.mean()) / data.length, float(velocity_unexplained(sampled.states, 2))


def test_the_rate_falls_velocities_are_aligned_and_the_networks_stay(model: EKVAE, arms: Sequences) -> None:
    unseen, _ = wander(100, 8, seed=1, size=8)
    before, state = figures(model, unseen), {name: value.clone() for name, value in model.state_dict().items()}
    assert fit_transition(model, arms, 150, unexplained, WEIGHT, progress=False) > 0
    after = figures(model, unseen)
    assert after[0] < before[0] - 0.2 and after[1] < before[1] - 0.1
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, state[name])}
    assert moved == {
        *(name for name in state if name.startswith("dynamics.gate.")),
        "dynamics.state_matrices",
        "dynamics.control_matrices",
        "dynamics.log_noise",
        "log_emission_noise",
        "filter_mean",
        "log_filter_variance",
    }


def test_the_seed_decides_and_no_steps_change_nothing(model: EKVAE, arms: Sequences) -> None:
    start = {name: value.clone() for name, value in model.state_dict().items()}
    found = []
    for seed in (0, 0, 1):
        model.load_state_dict(start)
        fit_transition(model, arms, 2, unexplained, WEIGHT, seed, progress=False)
        found.append(model.dynamics.state_matrices.detach().clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    model.load_state_dict(start)
    assert fit_transition(model, arms, 0, unexplained, WEIGHT, progress=False) == 0
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())
