"""Which roll-outs diverged, told by the others."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.numerics.diverging import diverging, stands_in


def paths_of(growth: torch.Tensor, steps: int = 20) -> torch.Tensor:
    """``[T, N, 1]``: from standard normal starts, each multiplied by its growth at every step."""
    start = torch.randn(len(growth), 1, generator=torch.Generator().manual_seed(0))
    return torch.stack([start * growth[:, None] ** step for step in range(steps + 1)])


@pytest.mark.parametrize("share", [0.0, 0.03, 0.08])
def test_those_that_grow_are_found_and_no_other(share: float) -> None:
    grows = torch.arange(1000) < 1000 * share
    assert torch.equal(diverging(paths_of(torch.where(grows, 2.5, 1.0))), grows)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_diverged(value: float) -> None:
    paths = torch.randn(5, 100, 2, generator=torch.Generator().manual_seed(0))
    paths[2, 7, 1] = value
    assert diverging(paths).nonzero().flatten().tolist() == [7]


def test_all_of_them_when_nothing_is_a_number() -> None:
    assert diverging(torch.full((3, 4, 2), math.nan)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_will_do(dtype: torch.dtype) -> None:
    grows = torch.arange(1000) < 30
    assert torch.equal(diverging(paths_of(torch.where(grows, 2.5, 1.0)).to(dtype)), grows)


def test_without_dimensions_or_paths_nothing_diverges() -> None:
    assert diverging(torch.zeros(3, 4, 0)).tolist() == [False] * 4
    assert diverging(torch.zeros(3, 0, 2)).tolist() == []


def test_a_part_that_seldom_moves_does_not_diverge() -> None:
    """An object lies still but for the tenth of all paths in which it is pushed: noise of 1e-2, moves of 1."""
    generator = torch.Generator().manual_seed(0)
    paths = 1e-2 * torch.randn(20, 500, 1, generator=generator)
    paths[:, :50] = torch.randn(20, 50, 1, generator=generator)
    assert not diverging(paths).any()


def test_a_dimension_in_which_most_are_the_same_does_not_count() -> None:
    paths = torch.randn(20, 500, 2, generator=torch.Generator().manual_seed(0))
    paths[..., 1] = 0.0
    paths[:, 0, 1] = 1.0
    assert not diverging(paths).any()


def test_others_stand_in_in_turn() -> None:
    which = torch.tensor([True, False, True, False, False])
    assert stands_in(which).tolist() == [0, 2, 2, 2, 0]
    assert stands_in(torch.ones(3, dtype=torch.bool)).tolist() == [0, 1, 2]
    assert stands_in(torch.zeros(3, dtype=torch.bool)).tolist() == [0, 1, 2]
