"""Errors of frames against their definition."""

from __future__ import annotations

import pytest
import torch

from latentrl.numerics.frame_errors import frame_errors


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_numbers_and_gradients_are_those_of_the_definition(kind: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (5, 4, 3, 2), dtype=torch.uint8, generator=generator)
    unit = frames.float() / 255
    given = frames if kind == torch.uint8 else unit
    decoded = torch.randn(unit.shape, generator=generator, requires_grad=True)
    weights = torch.randn(5, generator=generator)
    found, expected = frame_errors(decoded, given), (decoded - unit).square().flatten(1).mean(1)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    ours, known = (torch.autograd.grad((weights * errors).sum(), decoded)[0] for errors in (found, expected))
    torch.testing.assert_close(ours, known, rtol=1e-6, atol=1e-8)
