from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.agents.policies.critic import Critic, lambda_returns


def test_lambda_returns_are_the_weighted_sum_of_n_step_returns() -> None:
    """Against the forward definition (Sutton and Barto, Eq. 12.3), written down term by term."""
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(3, 5, generator=generator), torch.randn(3, 5, generator=generator)
    discount, trace = 0.9, 0.7
    found = lambda_returns(rewards, values, discount, trace)
    for start in range(5):
        left = 5 - start
        n_step = [
            sum((discount**k * rewards[:, start + k] for k in range(n)), torch.zeros(3))
            + discount**n * values[:, start + n - 1]
            for n in range(1, left + 1)
        ]
        weighted = sum(((1 - trace) * trace**n * n_step[n] for n in range(left - 1)), torch.zeros(3))
        assert torch.allclose(found[:, start], weighted + trace ** (left - 1) * n_step[-1], atol=1e-6)


@pytest.mark.parametrize("trace", [0.0, 1.0])
def test_the_two_ends_of_lambda(trace: float) -> None:
    rewards, values = torch.ones(1, 3), torch.tensor([[10.0, 20.0, 30.0]])
    found = lambda_returns(rewards, values, 0.5, trace)
    expected = {0.0: [[6.0, 11.0, 16.0]], 1.0: [[1 + 0.5 * (1 + 0.5 * 16.0), 1 + 0.5 * 16.0, 16.0]]}[trace]
    assert torch.allclose(found, torch.tensor(expected))


def test_learns_the_known_value_of_a_decay() -> None:
    """z' = 0.9 z with reward -z'^2 has the value -0.81 z^2 / (1 - 0.81 gamma), whatever the length of the roll-outs."""
    discount, generator = 0.9, torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = Critic(torch.zeros(1), torch.ones(1), discount, learning_rate=1e-2)
    steps = 0.9 ** torch.arange(4.0)
    for _ in range(400):
        states = torch.randn(256, 1, 1, generator=generator) * steps[None, :, None]
        critic.update(states, -states[:, 1:, 0].square())
    probe = torch.linspace(-1.5, 1.5, 13)[:, None]
    exact = -0.81 * probe[:, 0].square() / (1 - 0.81 * discount)
    assert (critic(probe) - exact).abs().max() < 0.1 * exact.abs().max()


def test_the_value_guides_the_state_but_the_slow_copy_stays_put() -> None:
    critic = Critic(torch.zeros(2), torch.ones(2), 0.9)
    state = torch.randn(4, 2, requires_grad=True)
    critic(state).sum().backward()
    assert isinstance(state.grad, Tensor) and (state.grad != 0).any()
    assert all(parameter.grad is None for parameter in critic.target.parameters())


def test_with_goals_the_value_is_one_of_state_and_way() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = Critic(torch.zeros(3), torch.ones(3), 0.9, goal_size=1)
    state = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 5.0]])
    value = critic(state)
    assert value.shape == (2,) and value[0] != value[1]
    seen = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]])
    assert torch.allclose(value, 10.0 * critic.target(seen).squeeze(-1))
