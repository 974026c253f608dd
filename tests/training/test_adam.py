"""Adam without its surroundings, against PyTorch's."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from latentrl.training.adam import FusedAdam


def parameters() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator).requires_grad_() for size in ((3, 4), (4,), (2, 2), ())]


@pytest.mark.parametrize("tensors", [False, True])
def test_it_is_pytorchs_to_the_last_bit(tensors: bool) -> None:
    mine, theirs = parameters(), parameters()
    rates = [torch.tensor(rate, dtype=torch.float64) if tensors else rate for rate in (0.01, 0.1)]

    def grouped(some: list[Tensor]) -> list[dict[str, object]]:
        return [{"params": some[:2], "lr": rates[0]}, {"params": some[2:], "lr": rates[1]}]

    ours, plain = FusedAdam(grouped(mine)), torch.optim.Adam(grouped(theirs), fused=True)
    generator = torch.Generator().manual_seed(1)
    for step in range(6):
        stopped = torch.tensor(float(step == 3))
        ours.found_inf = plain.found_inf = stopped  # type: ignore[attr-defined]
        for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            # The last has its first gradient later, and misses one.
            grad = torch.randn(one.shape, generator=generator)
            one.grad = other.grad = None if number == 3 and step in (0, 4) else grad
        before = [one.detach().clone() for one in mine]
        ours.step()
        plain.step()
        assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
        assert all(torch.equal(one, other) for one, other in zip(mine, before, strict=True)) == (step == 3)
    for kept, other in zip(ours.state.values(), plain.state.values(), strict=True):
        assert all(torch.equal(kept[name], other[name]) for name in other)


def test_its_state_is_loaded_where_pytorchs_was_saved() -> None:
    mine, theirs = parameters(), parameters()
    ours, plain = FusedAdam(mine, 0.1), torch.optim.Adam(theirs, 0.1, fused=True)
    for one in theirs:
        one.grad = torch.ones_like(one)
    plain.step()
    ours.load_state_dict(deepcopy(plain.state_dict()))
    with torch.no_grad():
        for one, other in zip(mine, theirs, strict=True):
            one.copy_(other)
            one.grad = other.grad = torch.full_like(other, 2.0)
    ours.step()
    plain.step()
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


def test_parameters_without_gradients_stay_as_with_pytorch() -> None:
    """A group may have none for a step, or no parameters, and a step may have none at all."""
    mine, theirs = parameters(), parameters()

    def grouped(some: list[Tensor]) -> list[dict[str, object]]:
        return [{"params": []}, {"params": some[:2]}, {"params": some[2:]}]

    ours, plain = FusedAdam(grouped(mine), 0.1), torch.optim.Adam(grouped(theirs), 0.1, fused=True)
    for given in (set(), {0, 1, 2, 3}, {0, 1}, {2, 3}, set(), {1, 2}):
        for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            one.grad = other.grad = torch.ones_like(one) if number in given else None
        ours.step()
        plain.step()
        assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("option", [{"weight_decay": 0.1}, {"amsgrad": True}, {"maximize": True}])
def test_a_group_may_ask_for_what_pytorch_has(option: dict[str, object]) -> None:
    mine, theirs = parameters(), parameters()
    ours = FusedAdam([{"params": mine, **option}], 0.1)
    plain = torch.optim.Adam([{"params": theirs, **option}], 0.1, fused=True)
    for _ in range(3):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = other.grad = torch.ones_like(one)
        ours.step()
        plain.step()
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


def test_a_copy_goes_on() -> None:
    ours = FusedAdam(parameters(), 0.1)
    for _ in range(2):
        for parameter in ours.param_groups[0]["params"]:
            parameter.grad = torch.ones_like(parameter)
        ours.step()
        ours = deepcopy(ours)
    assert ours.found_inf is None
