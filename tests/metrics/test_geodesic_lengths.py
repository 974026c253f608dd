"""Lengths of ways between frames, against a cylinder: its geodesics are arcs, and straight lines leave them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.envs.coordinates import Coordinate
from latentrl.geometry.geodesics import GEODESICS
from latentrl.geometry.metric import curve_length
from latentrl.metrics.geodesic_lengths import PairLengths, length_figures, lengths_along_data, pair_lengths, refined

TALL = 3.0
"""Of the cylinder: how much a step off the ring costs."""
ANGLE = Coordinate("angle", "angle", "angle")


def cylinder(z: Tensor) -> Tensor:
    """The plane but for its centre, rolled up: between two points of the unit ring the shortest way is the arc."""
    size = z.norm(dim=-1, keepdim=True)
    return torch.cat((z / size, TALL * size.log()), -1)


def ring(angles: Tensor) -> Tensor:
    return torch.stack((angles.cos(), angles.sin()), -1)


def line_length(angle: float) -> float:
    """Of the chord across ``angle``, by a sum of its own: at the distance s from its middle, cos(angle / 2) from the
    centre."""
    near = math.cos(angle / 2)
    half = math.sin(angle / 2)
    s = (np.arange(20_000) + 0.5) / 20_000 * half
    radius = np.sqrt(near**2 + s**2)
    # Around: near / r^2; and up: TALL dr / r, with dr = s / r.
    return float(2 * np.sqrt((near / radius**2) ** 2 + (TALL * s / radius**2) ** 2).sum() * half / 20_000)


APART = torch.tensor([0.3, 1.0, 1.7, 2.5])
START, END = ring(torch.tensor([0.2, 2.0, -2.5, -0.4])), ring(torch.tensor([0.2, 2.0, -2.5, -0.4]) + APART)


@pytest.fixture(scope="module")
def found() -> PairLengths:
    return pair_lengths(cylinder, ring(torch.linspace(0, 2 * math.pi, 241)[:-1]), START, END)


def test_geodesics_are_arcs_and_the_line_is_as_long_as_it_is(found: PairLengths) -> None:
    assert set(found.curves) == {*GEODESICS, "line"} and set(found.seconds) == set(GEODESICS)
    for name in GEODESICS:
        torch.testing.assert_close(found.lengths[name], APART, rtol=0.02, atol=0.0, msg=name)
    expected = torch.tensor([line_length(float(one)) for one in APART])
    torch.testing.assert_close(found.lengths["line"], expected, rtol=0.01, atol=0.0)
    torch.testing.assert_close(found.lengths["euclid"], 2 * (APART / 2).sin())


def test_figures_are_of_lengths_and_truth(found: PairLengths) -> None:
    figures = length_figures(found, APART.numpy())
    lines = [line_length(float(one)) for one in APART]
    ratios = [float(one) / line for one, line in zip(APART, lines, strict=True)]
    far = [ratio for ratio, apart in zip(ratios, APART, strict=True) if apart > 2.5 * 2 / 3]
    assert len(far) == 2
    for name in GEODESICS:
        assert figures[f"ratio_{name}"] == pytest.approx(np.mean(ratios), rel=0.02)
        assert figures[f"low_ratio_{name}"] == pytest.approx(np.quantile(ratios, 0.05), rel=0.03)
        assert figures[f"far_ratio_{name}"] == pytest.approx(np.mean(far), rel=0.02)
        assert figures[f"r2_{name}"] > 0.999
    assert figures["r2_line"] == pytest.approx(np.corrcoef(lines, APART)[0, 1] ** 2, abs=1e-3)
    assert figures["r2_line"] < 0.99 and set(length_figures(found, None)) == {
        f"{kind}_{name}" for kind in ("ratio", "low_ratio", "seconds") for name in GEODESICS
    }


def test_a_refined_curve_is_the_same_polygon() -> None:
    curve = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    fine = refined(curve, 4)
    assert fine.shape == (2, 17, 3) and torch.equal(fine[:, ::4], curve)
    torch.testing.assert_close(fine[:, 2::4], (curve[:, 1:] + curve[:, :-1]) / 2)
    torch.testing.assert_close(curve_length(lambda z: z, fine), curve.diff(dim=1).norm(dim=-1).sum(1))


def test_a_ridge_between_two_points_of_a_curve_counts() -> None:
    """What a coarse curve jumps is measured once it is refined."""

    def ridge(z: Tensor) -> Tensor:
        return torch.cat((z, torch.exp(-(((z[..., :1] - 0.4) / 0.05) ** 2))), -1)

    curve = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])
    # Up and down again: 1 each, beside the 1 along.
    coarse, fine = float(curve_length(ridge, curve)), float(curve_length(ridge, refined(curve, 64)))
    assert coarse < 2 and 2.5 < fine < 3


def test_the_way_along_the_data_is_the_shorter_one_in_turn_of_the_truth() -> None:
    """Frames lie about in any order; a quarter of them is of the same angle as another."""
    angles = torch.linspace(0, 2 * math.pi, 301)[:-1]
    angles = torch.cat((angles, angles[::3]))[torch.randperm(400, generator=torch.Generator().manual_seed(0))]
    some = torch.tensor([[3, 10, 200], [50, 333, 7]])
    lengths = lengths_along_data(cylinder, ring(angles), angles.numpy(), some, ANGLE, 0.05)
    expected = torch.from_numpy(ANGLE.distance(angles[some[0]].numpy(), angles[some[1]].numpy()))
    torch.testing.assert_close(lengths.double(), expected, rtol=0.01, atol=0.0)
