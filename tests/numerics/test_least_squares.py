"""Least squares against known coefficients."""

from __future__ import annotations

import torch

from latentrl.numerics.least_squares import least_squares


def test_least_squares_finds_the_coefficients_also_of_a_column_too_many_and_always_the_same_bits() -> None:
    g = torch.Generator().manual_seed(0)
    design, wanted = torch.randn(2000, 5, generator=g), torch.randn(5, 2, generator=g)
    torch.testing.assert_close(least_squares(design, design @ wanted), wanted)
    twice = torch.cat((design, design[:, :1]), 1)
    torch.testing.assert_close(twice @ least_squares(twice, design @ wanted), design @ wanted, atol=1e-4, rtol=1e-4)
    noisy, found, between = torch.randn(2000, 2, generator=g), [], []
    for trial in range(20):
        found.append(least_squares(twice, noisy))
        between.append(torch.randn(100 + 37 * trial, generator=g))
    assert all(torch.equal(one, found[0]) for one in found)
