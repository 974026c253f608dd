"""Rounding in which columns make up for one another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tools.few_bits import rounded, scales_of


def nearest(weight: Tensor, bits: int) -> Tensor:
    """Each number for itself, with the same scales."""
    most, scales = 2 ** (bits - 1) - 1, scales_of(weight, bits)
    return (weight / scales[:, None]).round().clamp(-most, most) * scales[:, None]


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_of_inputs_that_tell_nothing_of_each_other_every_number_goes_to_the_nearest(bits: int) -> None:
    weight = torch.randn(7, 12, generator=torch.Generator().manual_seed(0)).double()
    codes, scales = rounded(weight, torch.arange(1.0, 13.0).diag(), bits)
    assert torch.equal(codes * scales[:, None], nearest(weight, bits))
    assert int(codes.abs().max()) <= 2 ** (bits - 1) - 1


def test_of_inputs_that_do_a_layer_acts_more_as_before() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(20, 40, generator=generator).double()
    inputs = torch.randn(500, 8, generator=generator).double() @ torch.randn(8, 40, generator=generator).double()
    codes, scales = rounded(weight, inputs.T @ inputs / len(inputs), 4)
    errors = [(inputs @ (one - weight).T).square().mean() for one in (codes * scales[:, None], nearest(weight, 4))]
    assert errors[0] < 0.1 * errors[1]


def test_a_step_is_the_one_of_the_least_error() -> None:
    """A row with one far number among small ones: it is better cut off."""
    weight = torch.cat((torch.linspace(-1, 1, 400), torch.tensor([1.9])))[None].double()
    assert 0.4 * 1.9 / 7 <= float(scales_of(weight, 4)) < 1.9 / 7
    assert float(scales_of(torch.tensor([[7.0, -7.0, 1.0]]).double(), 4)) == 1.0
