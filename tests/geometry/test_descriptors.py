"""Thumbnails: means over squares of pixels, after a blur that keeps what is even."""

from __future__ import annotations

import pytest
import torch

from latentrl.geometry import descriptors
from latentrl.geometry.descriptors import thumbnails
from latentrl.numerics.blur import blur


def test_a_large_picture_is_averaged_and_a_small_one_kept() -> None:
    frames = torch.randint(0, 256, (3, 64, 32, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    means = (frames.float() / 255).view(3, 32, 2, 16, 2, 2).mean((2, 4))
    torch.testing.assert_close(thumbnails(frames, 0.0), means.permute(0, 3, 1, 2).flatten(1))
    small = frames[:, :16, :8]
    torch.testing.assert_close(thumbnails(small, 0.0), small.permute(0, 3, 1, 2).flatten(1) / 255)


def test_the_blur_is_a_share_of_the_height() -> None:
    frames = torch.randint(0, 256, (2, 16, 24, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = blur(frames.float() / 255, 4.0)[..., 0].flatten(1)
    torch.testing.assert_close(thumbnails(frames, 0.25), expected)
    even = torch.full((2, 16, 24, 1), 51, dtype=torch.uint8)
    torch.testing.assert_close(thumbnails(even, 0.25), torch.full((2, 16 * 24), 0.2))


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randint(0, 256, (7, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = thumbnails(frames, 0.1)
    monkeypatch.setattr(descriptors, "FRAMES_AT_ONCE", 3)
    torch.testing.assert_close(thumbnails(frames, 0.1), whole)
