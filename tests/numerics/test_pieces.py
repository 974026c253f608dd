"""Frames a piece at a time: the same numbers and gradients as all at once, and small frames untouched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from latentrl.numerics.pieces import LARGEST_WHOLE, evenly_spread, frames_at, in_pieces, piece_length, spread_frames

CPU = torch.device("cpu")


@pytest.mark.parametrize(("recompute", "kept"), [(True, 0), (True, 40_000), (False, 0)])
def test_values_and_gradients_are_those_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, recompute: bool, kept: int
) -> None:
    monkeypatch.setattr("latentrl.numerics.pieces.PIECE", 3 * 4000)
    monkeypatch.setattr("latentrl.numerics.pieces.KEPT", kept)
    torch.manual_seed(0)
    network, frames, factors = nn.Linear(40, 2).double(), torch.randn(10, 40).double(), torch.rand(10).double()
    lengths: list[int] = []

    def function(x: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        lengths.append(len(x))
        values = network(x).square()
        return values.sum(1) * factor, values

    found = []
    for values, forward, again in ((4000, [3, 3, 3, 1], 4 * (recompute and not kept)), (10, [10], 0)):
        lengths.clear()
        network.zero_grad()
        sums, parts = in_pieces(function, values, frames, factors, recompute=recompute)
        assert lengths == forward
        (sums.sum() + parts[3, 1]).backward()
        assert len(lengths) == len(forward) + again
        assert network.weight.grad is not None
        found.append((sums.detach(), parts.detach(), network.weight.grad.clone()))
    for got, expected in zip(*found, strict=True):
        torch.testing.assert_close(got, expected)


def test_nothing_is_kept_or_computed_again_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentrl.numerics.pieces.PIECE", 8000)
    weight = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        (found,) = in_pieces(lambda x: (x * weight,), 4000, torch.ones(5, 2))
    assert found.shape == (5, 2) and not found.requires_grad


def test_small_frames_are_never_cut() -> None:
    assert piece_length(16 * 16, CPU) is None and piece_length(LARGEST_WHOLE, CPU) is None
    assert piece_length(64 * 64 * 3, CPU) == 42
    assert piece_length(10**9, CPU) == 1
    assert (piece_length(64 * 64 * 3, torch.device("cuda")) or 0) > 1500, "a whole batch goes to a GPU at once"


def test_the_sample_of_large_frames_is_smaller() -> None:
    small, large = (torch.zeros(1, dtype=torch.uint8).expand(60_000, values) for values in (256, 64 * 64 * 3))
    assert 8000 <= len(evenly_spread(small, 8000)) < 16_000
    assert 1900 <= len(evenly_spread(large, 8000)) < 4000
    assert len(evenly_spread(large[:10], 8000)) == 10


def test_single_frames_are_those_of_the_flattened_sequences() -> None:
    whole = torch.arange(60 * 7 * 6, dtype=torch.uint8).reshape(60, 7, 2, 3)
    index = torch.randint(20 * 7, (50,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(frames_at(whole[::3], index), whole[::3].flatten(0, 1)[index])


def test_frames_are_spread_over_all_sequences() -> None:
    numbers = torch.arange(60 * 7).reshape(60, 7)
    assert torch.equal(spread_frames(numbers, 100), torch.arange(0, 420, 4))
    assert torch.equal(spread_frames(numbers, 1000), torch.arange(420))
