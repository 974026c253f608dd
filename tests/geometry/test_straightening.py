"""Straightening: a bent chart of a drawn arm becomes its joints' angles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.cylinder.straightening import (
    explained_by,
    harmonics,
    rank_among_like,
    straightening,
    untwisting,
)
from tests.arms import WRIST, draw_arms, explained


@pytest.fixture(scope="module")
def arms() -> tuple[Tensor, Tensor, Tensor]:
    """Shoulders and wrists ``[4000]`` that cover their range evenly, and their pictures ``[4000, D]``."""
    g = torch.Generator().manual_seed(0)
    shoulder = 2 * math.pi * torch.rand(4000, generator=g)
    wrist = WRIST * (2 * torch.rand(4000, generator=g) - 1)
    pictures = draw_arms(torch.stack((shoulder, wrist), 1), width=0.04)
    return shoulder, wrist, pictures.flatten(1).float() / 255


def bent(shoulder: Tensor, wrist: Tensor) -> Tensor:
    """A chart whose ring is twisted along the line, and whose line is stretched and leans with the ring."""
    twist = 0.5 * (1.3 * wrist).sin()
    line = wrist.sinh() / 5 + 0.15 * shoulder.cos() * wrist.cos()
    return torch.stack(((shoulder + twist).cos(), (shoulder + twist).sin(), line), 1)


def test_a_bent_chart_becomes_angle_and_joint(arms: tuple[Tensor, Tensor, Tensor]) -> None:
    shoulder, wrist, pictures = arms
    chart = 3 * bent(shoulder, wrist) + 1
    straight = straightening(chart[:3000], pictures[:3000])
    found = straight(chart)
    assert found.dtype == torch.float32 and found.shape == chart.shape
    assert max(explained(chart, shoulder.cos()), explained(chart, wrist)) < 0.95
    for part in (slice(3000), slice(3000, None)):  # those that it was made for, and others
        turn, along = shoulder[part], wrist[part]
        assert min(explained(found[part], turn.cos()), explained(found[part], turn.sin())) > 0.99
        assert explained(found[part, 2:], along) > 0.99
    torch.testing.assert_close(found[:, :2].norm(dim=1), torch.ones(4000))
    assert torch.equal(straight(chart.view(40, 100, 3)), found.view(40, 100, 3))
    assert torch.equal(found, straightening(chart[:3000], pictures[:3000])(chart)), "the same bits"
    far = straight(chart + torch.tensor([0.0, 0.0, 50.0]))
    assert float(far[:, 2].max()) < 1.5, "beyond all frames it was made for, the line ends"


def test_the_rank_is_even_where_the_line_leans_and_is_stretched(arms: tuple[Tensor, Tensor, Tensor]) -> None:
    shoulder, wrist, _ = (part.double() for part in arms)
    line = bent(shoulder, wrist)[:, 2]
    assert explained(line.unsqueeze(1), wrist) < 0.95
    rank = rank_among_like(shoulder, line)
    assert -1 <= float(rank.min()) < -0.95 and 0.95 < float(rank.max()) <= 1
    assert explained(rank.unsqueeze(1), wrist) > 0.97
    assert torch.equal(rank, rank_among_like(shoulder + 2 * math.pi, line.exp())), "whatever the turn and the stretch"


def test_the_twist_is_undone_that_blurs_the_limb(arms: tuple[Tensor, Tensor, Tensor]) -> None:
    shoulder, wrist, pictures = (part.double() for part in arms)
    pictures, line = pictures - pictures.mean(0), wrist / WRIST
    twisted = shoulder + 1.5 * line - 1.4 * line**3
    found = untwisting(twisted, line, pictures)
    after = twisted - line.unsqueeze(1) ** torch.arange(1, len(found) + 1) @ found
    assert explained(harmonics(twisted, 1), shoulder.cos()) < 0.95
    assert explained(harmonics(after, 1), shoulder.cos()) > 0.99


def test_what_a_design_explains_is_the_share_of_the_variance_it_predicts() -> None:
    g = torch.Generator().manual_seed(0)
    design = torch.randn(500, 4, generator=g, dtype=torch.float64)
    design = design - design.mean(0)
    inside, outside = design @ torch.randn(4, 6, generator=g, dtype=torch.float64), torch.randn(500, 6, generator=g)
    assert float(explained_by(design, inside)) == pytest.approx(1)
    columns = torch.stack([torch.tensor(explained(design, column)) for column in (inside + outside).T])
    centred = inside + outside - (inside + outside).mean(0)
    shares = centred.var(0) / centred.var(0).sum()
    assert float(explained_by(design, centred)) == pytest.approx(float((columns * shares).sum()))
