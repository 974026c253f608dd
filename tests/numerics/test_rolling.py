"""Roll-outs of many plans: the same in blocks as one after another, whatever the leading shape."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.numerics.rolling import BLOCK, follow


def step(state: Tensor, action: Tensor) -> Tensor:
    return 0.5 * state + action.sum(-1, keepdim=True) * torch.tensor([1.0, -2.0])


@pytest.mark.parametrize("lead", [(), (3,), (BLOCK,), (2 * BLOCK + 3,), (2, BLOCK)])
def test_every_plan_is_followed_on_its_own(lead: tuple[int, ...]) -> None:
    g = torch.Generator().manual_seed(0)
    state, actions = torch.randn(*lead, 2, generator=g), torch.randn(*lead, 4, 3, generator=g)
    path = follow(step, state, actions)
    assert path.shape == (*lead, 4, 2)
    now = state
    for t in range(4):
        now = step(now, actions[..., t, :])
        torch.testing.assert_close(path[..., t, :], now, rtol=0, atol=0)


def test_one_start_may_be_shared_by_many_plans() -> None:
    actions = torch.randn(BLOCK + 1, 2, 1, generator=torch.Generator().manual_seed(0))
    path = follow(step, torch.ones(1, 2), actions)
    torch.testing.assert_close(path, follow(step, torch.ones(BLOCK + 1, 2), actions), rtol=0, atol=0)


def test_gradients_flow_through_blocks() -> None:
    actions = torch.zeros(BLOCK + 1, 3, 1, requires_grad=True)
    follow(step, torch.ones(BLOCK + 1, 2), actions)[:, -1, 0].sum().backward()
    torch.testing.assert_close(actions.grad, torch.tensor([[0.25], [0.5], [1.0]]).expand(BLOCK + 1, 3, 1))
