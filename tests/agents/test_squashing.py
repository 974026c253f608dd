"""Squashing: tanh, and a way back from its flat ends."""

import pytest
import torch

from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.squashing import LEAST_SLOPE, squash


def slopes(values: torch.Tensor, towards: float) -> torch.Tensor:
    """The slope that a step sees which wants to move all values in the direction of ``towards``."""
    leaf = values.clone().requires_grad_()
    (-towards * squash(leaf)).sum().backward()
    assert leaf.grad is not None
    return -towards * leaf.grad


def test_it_is_tanh() -> None:
    values = torch.linspace(-8, 8, 101, dtype=torch.float64)
    assert torch.equal(squash(values), torch.tanh(values))
    assert torch.equal(squash(values.clone().requires_grad_()).detach(), torch.tanh(values))


def test_the_slope_is_that_of_tanh_in_the_middle_and_outwards() -> None:
    values = torch.linspace(-6, 6, 61, dtype=torch.float64)
    step = 1e-5
    true = (torch.tanh(values + step) - torch.tanh(values - step)) / (2 * step)
    middle = true > LEAST_SLOPE
    for towards in (1.0, -1.0):
        outwards = values * towards > 0
        torch.testing.assert_close(
            slopes(values, towards)[outwards | middle], true[outwards | middle], atol=1e-9, rtol=0
        )


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["high", "low"])
def test_the_way_back_is_never_flat(side: float) -> None:
    values = side * torch.tensor([2.0, 5.0, 50.0])
    assert (slopes(values, -side) == LEAST_SLOPE).all()
    # tanh alone has none: in float32 it is 1 to the last bit.
    assert (slopes(values, side)[1:] < 1e-3).all()


def test_a_saturated_policy_learns_to_come_back() -> None:
    torch.manual_seed(0)
    policy = MLPPolicy(torch.tensor([-2.0]), torch.tensor([2.0]), torch.zeros(1), torch.ones(1), hidden=(8,))
    last = policy.layers[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.bias.fill_(30.0)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.1)
    states = torch.linspace(-1, 1, 32)[:, None]
    for _ in range(600):
        optimizer.zero_grad()
        (policy(states) - 0.5 * states).square().mean().backward()
        optimizer.step()
    assert (policy(states) - 0.5 * states).abs().max() < 0.1
