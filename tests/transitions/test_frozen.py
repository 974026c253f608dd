"""The frozen transition is the transition, only faster."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from latentrl.agents.rollout import rollout
from latentrl.models import MODELS, build
from latentrl.models.spec import DataSpec
from latentrl.numerics.feedback import follow_feedback
from latentrl.support.compiling import can_compile
from latentrl.transitions.frozen import FrozenTransition
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.transitions.residual import FrozenResidual
from latentrl.types import (
    AdjointDynamics,
    Dynamics,
    FeedbackDynamics,
    LinearDynamics,
    RolloutDynamics,
    SmoothDynamics,
)


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


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where numba is not installed."""
    monkeypatch.setattr("latentrl.transitions.frozen.can_compile", lambda: False)


def test_it_keeps_all_promises() -> None:
    frozen = FrozenTransition(make())
    for protocol in (Dynamics, RolloutDynamics, LinearDynamics, SmoothDynamics, FeedbackDynamics, AdjointDynamics):
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


@pytest.mark.skipif(not can_compile(), reason="pip install 'latentrl[fast]'")
@pytest.mark.parametrize("base_matrices", [1, 2, 5, 12])
@pytest.mark.parametrize("count", [1, 15, 16, 33])
def test_the_kernel_rounds_and_does_nothing_else(count: int, base_matrices: int) -> None:
    """Against the same in float64: full blocks and others, and logits of hundreds."""
    torch.manual_seed(0)
    module = LocallyLinearTransition(3, 2, base_matrices, hidden=(20, 13))
    with torch.no_grad():
        module.gate[-1].weight.mul_(300.0)  # type: ignore[operator]
    module.control_scale.copy_(torch.tensor([2.0, 5.0]))
    frozen = FrozenTransition(module)
    assert frozen._fast is not None
    start, actions = torch.randn(count, 3, generator=seeded()), torch.randn(count, 7, 2, generator=seeded(1))
    first = frozen.rollout(start, actions[:, :1])
    torch.testing.assert_close(
        first.double(), frozen.rollout(start.double(), actions[:, :1].double()), rtol=2e-5, atol=2e-5
    )
    path = frozen.rollout(start, actions)
    assert torch.equal(path[:1], frozen.rollout(start[:1], actions[:1])), "the company makes no difference"


def test_without_a_compiler_it_does_the_same(uncompiled: None) -> None:
    frozen = FrozenTransition(make())
    assert frozen._fast is None
    start, actions = torch.randn(20, 3, generator=seeded()), torch.randn(20, 6, 2, generator=seeded(1))
    expected = FrozenTransition(make()).rollout(start.double(), actions.double())
    torch.testing.assert_close(frozen.rollout(start, actions).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [(8,), (6, 7), ()])
def test_jacobians_are_those_of_automatic_differentiation(hidden: tuple[int, ...]) -> None:
    frozen, g = FrozenTransition(make(hidden)), seeded()
    state, action = (torch.randn(2, 5, size, generator=g, dtype=torch.float64) for size in (3, 2))
    by_state, by_action = frozen.jacobians(state, action)

    def summed(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return frozen.transition(state, action).mean.sum((0, 1))

    expected = torch.autograd.functional.jacobian(summed, (state, action))
    torch.testing.assert_close(by_state, expected[0].permute(1, 2, 0, 3))
    torch.testing.assert_close(by_action, expected[1].permute(1, 2, 0, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 19])
def test_an_affine_policy_is_followed_within_its_bounds(count: int, dtype: torch.dtype) -> None:
    frozen, g = FrozenTransition(make()), seeded()
    shapes = (count, 3), (count, 6, 2), (count, 6, 2, 3), (count, 6, 3)
    state, base, feedback, around = (torch.randn(shape, generator=g, dtype=dtype) for shape in shapes)
    low, high = torch.tensor([-1.0, -0.3], dtype=dtype), torch.tensor([0.5, 2.0], dtype=dtype)
    actions, path = frozen.rollout_feedback(state, base, feedback, around, low, high)
    assert (actions == low).any() and (actions == high).any()
    expected = follow_feedback(lambda z, u: frozen.transition(z, u).mean, state, base, feedback, around, low, high)
    torch.testing.assert_close(actions, expected[0])
    torch.testing.assert_close(path, expected[1])


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("hidden", [(8,), (6, 7), ()])
def test_a_tape_goes_back_as_automatic_differentiation_does(hidden: tuple[int, ...], noisy: bool) -> None:
    frozen, g = FrozenTransition(make(hidden)), seeded()
    shapes = {"state": (5, 3), "action": (5, 2), "gradient": (5, 3)}
    given = {name: torch.randn(shape, generator=g, dtype=torch.float64) for name, shape in shapes.items()}
    state, action = given["state"].requires_grad_(), given["action"].requires_grad_()
    step = frozen.transition(state, action)
    following = step.rsample(seeded(7)) if noisy else step.mean
    expected = torch.autograd.grad(following, (state, action), given["gradient"])
    noise = torch.randn(5, 3, generator=seeded(7), dtype=torch.float64).T if noisy else None
    with torch.no_grad():
        tape = frozen.tape(2, 5, torch.float64)
        for t in (0, 1):  # each is remembered beside the other
            found = tape.forward(t, (t + state).T, action.T, noise)
            if t == 0:
                torch.testing.assert_close(found.T, following)
        for slope, known in zip(tape.backward(0, given["gradient"].T.contiguous()), expected, strict=True):
            torch.testing.assert_close(slope.T, known)


@pytest.mark.parametrize("largest", [0.9, 3.0])
def test_a_frozen_residual_rolls_out_its_own_transition(largest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the training data's actions, where half of the work is left out, and beyond."""
    torch.manual_seed(0)
    model = build("dks", DataSpec((8, 8, 1), "uint8", 2, (2.0, 3.0)), asdict(MODELS["dks"].settings()))
    frozen = model.frozen()
    assert isinstance(frozen, FrozenResidual)
    monkeypatch.setattr("latentrl.transitions.residual.BLOCK", 4)
    state = torch.randn(2, 5, 3, generator=seeded())
    actions = largest * torch.tensor([2.0, 3.0]) * (2 * torch.rand(2, 5, 6, 2, generator=seeded(1)) - 1)
    path = frozen.rollout(state, actions)
    for t in range(6):
        state = model.transition(state, actions[..., t, :]).mean
        torch.testing.assert_close(path[..., t, :], state)


@pytest.mark.parametrize("largest", [0.9, 3.0])
def test_a_frozen_residual_knows_its_slopes_and_follows_feedback(largest: float) -> None:
    """By the layers within the training data's actions, by automatic differentiation beyond."""
    torch.manual_seed(0)
    model = build("dks", DataSpec((8, 8, 1), "uint8", 2, (2.0, 3.0)), asdict(MODELS["dks"].settings()))
    frozen, limit = model.frozen(), largest * torch.tensor([2.0, 3.0])
    assert isinstance(frozen, SmoothDynamics) and isinstance(frozen, FeedbackDynamics)
    state = torch.randn(2, 5, 3, generator=seeded())
    action = limit * (2 * torch.rand(2, 5, 2, generator=seeded(1)) - 1)
    by_state, by_action = frozen.jacobians(state, action)
    assert not by_state.requires_grad
    for at in ((0, 0), (1, 4)):
        z, u = torch.func.jacrev(lambda z, u: model.transition(z, u).mean, (0, 1))(state[at], action[at])
        torch.testing.assert_close(by_state[at], z, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(by_action[at], u, rtol=1e-4, atol=1e-5)
    base, around = torch.randn(5, 6, 2, generator=seeded(2)), torch.randn(5, 6, 3, generator=seeded(3))
    feedback = torch.randn(5, 6, 2, 3, generator=seeded(4))
    actions, path = frozen.rollout_feedback(state[0], base, feedback, around, -limit, limit)
    before = state[0]
    for t in range(6):
        wanted = base[:, t] + (feedback[:, t] @ (before - around[:, t]).unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(actions[:, t], wanted.clamp(-limit, limit))
        before = model.transition(before, actions[:, t]).mean
        torch.testing.assert_close(path[:, t], before)


@pytest.mark.parametrize("largest", [0.9, 3.0])
def test_a_frozen_residual_does_so_in_the_state_s_precision_and_where_it_was_made_without_gradients(
    largest: float,
) -> None:
    torch.manual_seed(0)
    model = build("dks", DataSpec((8, 8, 1), "uint8", 2, (2.0, 3.0)), asdict(MODELS["dks"].settings()))
    with torch.inference_mode():
        frozen = model.frozen()
    assert isinstance(frozen, FrozenResidual)
    limit = largest * torch.tensor([2.0, 3.0])
    state, action = torch.randn(5, 3, generator=seeded()), limit.expand(5, 2)
    policy = action[:, None], torch.zeros(5, 1, 2, 3), state[:, None], -limit, limit
    single = *frozen.jacobians(state, action), *frozen.rollout_feedback(state, *policy)
    doubled = [one.double() for one in policy]
    double = (
        *frozen.jacobians(state.double(), action.double()),
        *frozen.rollout_feedback(state.double(), *doubled),
    )
    for one, other in zip(single, double, strict=True):
        assert other.dtype == torch.float64
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


def test_blocks_join_up(uncompiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize(
    ("state", "actions"),
    [((40, 3), (1, 5, 2)), ((1, 3), (40, 5, 2)), ((4, 3), (4, 5, 1)), ((4, 3), (4, 5, 3)), ((4, 2), (4, 5, 2))],
    ids=str,
)
def test_shapes_that_do_not_fit_are_refused_with_a_kernel_too(state: tuple[int, ...], actions: tuple[int, ...]) -> None:
    """A kernel that took them would read what lies beside them in memory."""
    with pytest.raises((RuntimeError, ValueError)):
        FrozenTransition(make()).rollout(torch.zeros(state), torch.zeros(actions))


def test_an_affine_policy_of_other_shapes_is_refused_with_a_kernel_too() -> None:
    state, base, feedback, around = (torch.zeros(shape) for shape in ((4, 3), (4, 6, 2), (4, 6, 2, 3), (4, 6, 3)))
    low, high = -torch.ones(2), torch.ones(2)
    frozen = FrozenTransition(make())
    for wrong in (
        (state, base, feedback[:, :3], around, low, high),
        (state[:, :2], base, feedback, around, low, high),
        (state, base, feedback, around, low[:1].expand(3), high),
    ):
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            frozen.rollout_feedback(*wrong)
