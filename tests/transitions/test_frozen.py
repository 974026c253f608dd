"""The frozen transition is the transition, only faster."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from latentrl.agents.rollout import rollout
from latentrl.models import MODELS, build
from latentrl.models.spec import DataSpec
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import Dynamics, LinearDynamics, RolloutDynamics


def make(hidden: tuple[int, ...] = (8,), state: int = 3, action: int = 2) -> LocallyLinearTransition:
    torch.manual_seed(0)
    module = LocallyLinearTransition(state, action, base_matrices=5, hidden=hidden)
    module.control_scale.copy_(torch.linspace(2.0, 5.0, action))
    module.gauge.copy_(torch.eye(state) + 0.1 * torch.ones(state, state).tril(-1))
    with torch.no_grad():
        module.log_noise.add_(torch.randn_like(module.log_noise))
    return module


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_keeps_all_three_promises() -> None:
    frozen = FrozenTransition(make())
    for protocol in (Dynamics, RolloutDynamics, LinearDynamics):
        assert isinstance(frozen, protocol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3)])
def test_transition_equals_the_modules(lead: tuple[int, ...], dtype: torch.dtype) -> None:
    module = make()
    state = torch.randn(*lead, 3, generator=seeded(), dtype=dtype)
    action = torch.randn(*lead, 2, generator=seeded(1), dtype=dtype)
    got, expected = FrozenTransition(module).transition(state, action), module(state, action)
    assert got.mean.dtype == dtype
    assert torch.equal(got.mean, expected.mean) and torch.equal(got.covariance, expected.covariance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hidden", [(8,), (6, 7), ()])
@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3)])
@pytest.mark.parametrize(("size", "controls"), [(3, 2), (1, 1), (4, 3)])
def test_rollout_equals_one_transition_after_another(
    lead: tuple[int, ...], hidden: tuple[int, ...], dtype: torch.dtype, size: int, controls: int
) -> None:
    module = make(hidden, size, controls).to(dtype)
    start = torch.randn(*lead, size, generator=seeded(), dtype=dtype)
    actions = 3 * torch.randn(*lead, 6, controls, generator=seeded(1), dtype=dtype)
    before = actions.clone()
    path = FrozenTransition(module).rollout(start, actions)
    assert path.shape == (*lead, 6, size) and path.dtype == dtype
    state = start
    for t in range(6):
        state = module(state, actions[..., t, :]).mean
        torch.testing.assert_close(path[..., t, :], state)
    assert torch.equal(actions, before), "what a caller hands over stays as it was"


def test_blocks_join_up(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, g = FrozenTransition(make()), seeded()
    start, actions = torch.randn(7, 3, generator=g), torch.randn(7, 6, 2, generator=g)
    whole = frozen.rollout(start, actions)
    monkeypatch.setattr("latentrl.transitions.frozen.BLOCK", 3)
    torch.testing.assert_close(frozen.rollout(start, actions), whole)


def test_each_rollout_is_its_own() -> None:
    frozen, g = FrozenTransition(make()), seeded()
    start, actions = torch.randn(4, 3, generator=g), torch.randn(4, 6, 2, generator=g)
    first = frozen.rollout(start, actions)
    kept = first.clone()
    frozen.rollout(start + 1, actions)
    assert torch.equal(first, kept)


def test_a_rollout_that_breaks_breaks_alone() -> None:
    frozen, g = FrozenTransition(make()), seeded()
    start, actions = torch.randn(4, 3, generator=g), torch.randn(4, 6, 2, generator=g)
    clean = frozen.rollout(start, actions)
    actions[1, 2] = torch.nan
    path = frozen.rollout(start, actions)
    assert path[1, 2:].isnan().all()
    torch.testing.assert_close(path[[0, 2, 3]], clean[[0, 2, 3]])


def test_linearisation_gives_the_mean_and_the_noise() -> None:
    module, g = make(), seeded()
    state, action = torch.randn(2, 4, 3, generator=g), torch.randn(2, 4, 2, generator=g)
    f, b, q = FrozenTransition(module).linearise(state, action)
    assert f.shape == (2, 4, 3, 3) and b.shape == (2, 4, 3, 2)
    step = module(state, action)
    torch.testing.assert_close((f @ state.unsqueeze(-1) + b @ action.unsqueeze(-1)).squeeze(-1), step.mean)
    torch.testing.assert_close(q, step.covariance)


def test_training_on_leaves_it_as_it_was() -> None:
    module = make()
    state, action = torch.randn(4, 3, generator=seeded()), torch.randn(4, 6, 2, generator=seeded(1))
    frozen = FrozenTransition(module)
    with torch.no_grad():  # before first use: nothing is prepared yet
        module.state_matrices.add_(1.0)
    changed, before = FrozenTransition(module).rollout(state, action), frozen.rollout(state, action)
    assert not torch.allclose(before, changed)
    with torch.no_grad():
        module.control_matrices.add_(1.0)
        module.control_scale.copy_(2.0 * module.control_scale)
    assert torch.equal(frozen.rollout(state, action), before)


def test_gradients_reach_states_and_actions_even_after_use_in_inference_mode() -> None:
    frozen = FrozenTransition(make())
    with torch.inference_mode():
        frozen.rollout(torch.zeros(1, 3), torch.zeros(1, 2, 2))
    state, action = torch.zeros(4, 3, requires_grad=True), torch.zeros(4, 2, requires_grad=True)
    frozen.transition(state, action).mean.sum().backward()
    for tensor in (state, action):
        assert tensor.grad is not None and tensor.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in frozen._module.parameters())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_plans_alike_frozen(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, DataSpec((8, 8, 1), "uint8", 2, (2.0, 3.0)), asdict(MODELS[name].settings()))
    g = seeded()
    state, actions = torch.randn(3, model.state_size, generator=g), torch.randn(3, 4, 2, generator=g)
    with torch.no_grad():
        path, expected = (rollout(dynamics, state, actions) for dynamics in (model.frozen(), model))
    torch.testing.assert_close(path, expected)
