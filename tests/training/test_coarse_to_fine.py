"""The blur schedule and the blurred images."""

from __future__ import annotations

import pytest
import torch

from latentrl.numerics.blur import blur, gaussian_matrix
from latentrl.training.coarse_to_fine import CoarseToFine, Schedule


def test_blur_is_the_convolution_with_a_gaussian() -> None:
    image = torch.zeros(1, 31, 31, 1)
    image[0, 15, 15] = 1.0
    offset = torch.arange(31.0) - 15
    expected = (-0.5 * (offset[:, None].square() + offset.square()) / 2.0**2).exp()
    torch.testing.assert_close(blur(image, 2.0)[0, ..., 0], expected / expected.sum(), rtol=1e-3, atol=1e-6)


def test_blur_keeps_a_flat_image_flat_up_to_the_edges() -> None:
    flat = torch.full((2, 9, 12, 3), 0.4)
    torch.testing.assert_close(blur(flat, 3.0), flat)
    torch.testing.assert_close(gaussian_matrix(9, 3.0, torch.device("cpu")).sum(1), torch.ones(9))


def test_schedule_falls_in_stages_to_none() -> None:
    schedule = Schedule(width=0.2, start=100, end=500, stages=4)
    widths = [schedule.at(step) for step in range(0, 601)]
    assert widths[0] == widths[100] == 0.2
    assert all(a >= b for a, b in zip(widths, widths[1:], strict=False))
    assert widths[499] > 0 and widths[500] == widths[600] == 0.0
    assert len(set(widths)) == 5


@pytest.mark.parametrize(("height", "halvings"), [(16, 0), (24, 1), (64, 2)])
def test_of_large_pictures_the_last_blur_is_taken_in_halves(height: int, halvings: int) -> None:
    schedule = Schedule()
    pixels = [height * schedule.at(step, height) for step in range(schedule.end)]
    found = sorted(set(pixels))
    assert found[0] <= 0.25 and len(found) == schedule.stages + halvings
    assert all(b == pytest.approx(2 * a) for a, b in zip(found, found[1 : halvings + 1], strict=False))
    # Everything before is as it is for small pictures.
    small = [schedule.at(step, 16) for step in range(schedule.end)]
    before = small.index(min(small))
    assert [height * width for width in small[:before]] == pytest.approx(pixels[:before])


def test_mean_and_variance_of_the_data_are_kept() -> None:
    g = torch.Generator().manual_seed(0)
    # Smooth images: white noise would be blurred away.
    data = (blur(torch.rand(20, 10, 8, 8, 1, generator=g), 1.0) * 255).to(torch.uint8)
    coarse = CoarseToFine(Schedule(width=0.25, start=10, end=20), data)
    sharp = data.float() / 255
    seen = coarse(data, 1)
    torch.testing.assert_close(seen.mean((0, 1)), sharp.mean((0, 1)), rtol=1e-3, atol=1e-4)
    variance = [(x - x.mean((0, 1))).square().mean() for x in (seen, sharp)]
    torch.testing.assert_close(variance[0], variance[1], rtol=1e-3, atol=1e-6)
    assert torch.equal(coarse(data, 20), data), "sharp images go to the model untouched"


def test_large_colour_images_are_blurred_in_pieces_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = torch.randint(0, 256, (4, 3, 40, 36, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = []
    for piece in (2**30, 5 * 40 * 36 * 3):
        monkeypatch.setattr("latentrl.numerics.pieces.PIECE", piece)
        found.append(CoarseToFine(Schedule(width=0.1, start=10, end=20), data)(data, 1))
    assert found[0].shape == data.shape and found[0].dtype == torch.float32
    torch.testing.assert_close(found[1], found[0])


def test_the_sample_of_large_images_stays_small() -> None:
    frames = torch.zeros(1, dtype=torch.uint8).expand(2000, 30, 64, 64, 3)
    coarse = CoarseToFine(Schedule(), frames)
    assert coarse.frames.numel() < 50e6
