from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.geodesics.discretised import DiscretisedCurve, solve_block_tridiagonal
from latentrl.geometry.geodesics.graph import GraphGeodesics, resampled
from latentrl.geometry.geodesics.network import NetworkCurve, NetworkOptions
from latentrl.geometry.geodesics.starts import best_start, bezier_curves
from latentrl.geometry.metric import chord, curve_length
from tests.surfaces import clairaut, sphere, sphere_distance, torus


def hill(z: Tensor) -> Tensor:
    """A plane with a steep hill around the origin: the line through it is no geodesic, and a local minimum."""
    return torch.cat((z, 3 * torch.exp(-4 * z.square().sum(-1, keepdim=True))), -1)


def double(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def de_casteljau(controls: Tensor, time: float) -> Tensor:
    while len(controls) > 1:
        controls = (1 - time) * controls[:-1] + time * controls[1:]
    return controls[0]


def test_bezier_curves_are_de_casteljau_s_and_bend_sideways_alone() -> None:
    start, end = double([0.0, 0.0]), double([2.0, 1.0])
    curves = bezier_curves(start, end, 50, 9, 0.5, torch.Generator().manual_seed(0))
    assert curves.shape == (50, 1, 9, 2)
    along = (end - start) / (end - start).norm()
    # Control points at a quarter, a half and three quarters: along the line, the curve is where the line is.
    torch.testing.assert_close((curves @ along[0])[:, 0], (chord(start, end, 9) @ along[0]).expand(50, 9))
    sideways = curves @ double([-1.0, 2.0])[0] / math.sqrt(5)
    assert 0.05 < float(sideways.abs().max()) <= 0.25 * math.sqrt(5) + 1e-9
    line = torch.linspace(0, 1, 5, dtype=torch.float64)
    controls = torch.stack((line, line * (1 - line)), -1)
    from latentrl.geometry.geodesics.starts import _bernstein

    found = _bernstein(9, 4, controls) @ controls
    torch.testing.assert_close(found, torch.stack([de_casteljau(controls, i / 8) for i in range(9)]))


def test_the_search_starts_from_the_shortest_curve() -> None:
    start, end = double([-1.0, 0.0]), double([1.0, 0.0])
    around = torch.stack((torch.linspace(-1, 1, 21), 1 - torch.linspace(-1, 1, 21).square()), -1).double()
    best = best_start(hill, start, end, 0, 21, 1.0, around.expand(1, 1, -1, -1))
    assert torch.equal(best[0], around)
    assert torch.equal(best_start(lambda z: z, start, end, 20, 21, 1.0), chord(start, end, 21))


def test_blocks_are_eliminated_as_a_dense_solve_would() -> None:
    g = torch.Generator().manual_seed(0)
    factor = torch.zeros(3, 10, 10, dtype=torch.float64)
    for i in range(5):
        rows = slice(2 * i, 2 * i + 2)
        factor[:, rows, max(0, 2 * i - 2) : 2 * i + 2] = torch.randn(
            3, 2, min(4, 2 * i + 2), generator=g, dtype=torch.float64
        )
    matrix = factor @ factor.mT + 0.5 * torch.eye(10, dtype=torch.float64)
    right = torch.randn(3, 5, 2, generator=g, dtype=torch.float64)
    blocks = matrix.view(3, 5, 2, 5, 2).transpose(2, 3)
    diagonal = torch.stack([blocks[:, i, i] for i in range(5)], 1)
    beside = torch.stack([blocks[:, i, i + 1] for i in range(4)], 1)
    exact = torch.linalg.solve(matrix, right.flatten(1)).view(3, 5, 2)
    torch.testing.assert_close(solve_block_tridiagonal(diagonal, beside, right), exact)


def test_a_chain_on_a_torus_obeys_clairaut_and_moves_evenly() -> None:
    """Whatever the pair: an oracle for geodesics that no formula gives."""
    g = torch.Generator().manual_seed(4)
    start, end = torch.rand(2, 6, 2, generator=g, dtype=torch.float64).unbind()
    chains = DiscretisedCurve(torus, points=65)(start, end + 0.8).points
    constant = clairaut(chains)
    torch.testing.assert_close(constant, constant.mean(-1, keepdim=True).expand_as(constant), rtol=0, atol=4e-3)
    steps = torus(chains).diff(dim=-2).norm(dim=-1)
    torch.testing.assert_close(steps, steps.mean(-1, keepdim=True).expand_as(steps), rtol=2e-3, atol=0)


def test_a_chain_goes_around_a_hill_that_the_line_crosses() -> None:
    """A mirror image of itself, the line is a stationary point: only another start leaves it."""
    start, end = double([-1.5, 0.0]), double([1.5, 0.0])
    line = curve_length(hill, chord(start, end, 400))
    stuck = DiscretisedCurve(hill, starts=0)(start, end)
    around = DiscretisedCurve(hill)(start, end)
    assert stuck.points[..., 1].abs().max() < 1e-6 and float(stuck.lengths / line) > 0.98
    assert around.points[..., 1].abs().max() > 0.5 and float(around.lengths / line) < 0.7


def test_a_path_through_the_data_is_a_start_too() -> None:
    """Of a ring without an inside, where no random curve is any good."""
    angle = 2 * math.pi * torch.rand(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nodes = torch.stack((angle.cos(), angle.sin()), -1)

    def ring(z: Tensor) -> Tensor:
        return torch.cat((z, 40 * (z.norm(dim=-1, keepdim=True) - 1)), -1)

    start, end = double([1.0, 0.0]), double([math.cos(2.8), math.sin(2.8)])
    lengths = DiscretisedCurve(ring, nodes)(start, end).lengths
    assert float(lengths) == pytest.approx(2.8, rel=0.01)


def test_a_polygon_is_resampled_evenly() -> None:
    places = double([0.0, 0.0], [1.0, 0.0], [1.0, 3.0])
    found = resampled(places, torch.tensor([1.0, 3.0], dtype=torch.float64), 9)
    torch.testing.assert_close(found.diff(dim=0).norm(dim=-1), torch.full((8,), 0.5, dtype=torch.float64))
    assert torch.equal(found[0], places[0]) and torch.equal(found[-1], places[-1])


def test_neighbours_need_no_detour_through_a_node() -> None:
    nodes = double(*[[0.5 * i, 0.5 * j] for i in range(6) for j in range(6)])
    start, end = double([1.2, 1.2]), double([1.3, 1.2])
    assert float(GraphGeodesics(lambda z: z, nodes, neighbours=6)(start, end).lengths) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="takes nodes"):
        GraphGeodesics(torus)


@pytest.mark.parametrize("boundary", ["shift", "scale"])
def test_a_network_s_ends_are_met_either_way(boundary: str) -> None:
    start, end = double([0.8, 0.3]), double([1.4, 1.9])
    options = NetworkOptions(hidden=20, times=16, steps=60, boundary=boundary)  # type: ignore[arg-type]
    curves = NetworkCurve(sphere, options=options)(start, end)
    assert torch.equal(NetworkCurve(sphere, options=options)(start, end).points, curves.points)
    assert torch.equal(curves.points[:, 0], start) and torch.equal(curves.points[:, -1], end)
    assert float(curves.lengths / sphere_distance(start, end)) < 1.03
    # The ends are met by the curve itself: what it would be without being put there is near.
    jump = curves.points.diff(dim=1).norm(dim=-1)
    assert float(jump.max() / jump.median()) < 3


@pytest.mark.parametrize("boundary", ["shift", "scale"])
def test_a_network_begins_as_the_curve_that_it_is_fitted_to(boundary: str) -> None:
    """A step of length nothing leaves it so: the fit in the last layer is the whole pre-training."""
    start, end = double([0.8, 0.3], [0.5, 1.0]), double([1.4, 1.9], [1.9, 2.2])
    options = NetworkOptions(steps=1, learning_rate=0.0, boundary=boundary)  # type: ignore[arg-type]
    wanted = best_start(sphere, start, end, options.starts, 33, options.width)
    torch.testing.assert_close(NetworkCurve(sphere, options=options)(start, end).points, wanted, rtol=0, atol=1e-3)


def test_the_source_s_scaling_cannot_bend_a_coordinate_in_which_both_ends_agree() -> None:
    """The departure's reason: between two points of one latitude a great circle leaves it."""
    start, end = double([0.7, 0.0]), double([0.7, 2.0])
    lengths = {
        boundary: NetworkCurve(sphere, options=NetworkOptions(hidden=20, times=16, steps=60, boundary=boundary))(
            start, end
        )
        for boundary in ("shift", "scale")
    }
    torch.testing.assert_close(lengths["scale"].points[..., 0], torch.full((1, 33), 0.7, dtype=torch.float64))
    exact = sphere_distance(start, end)
    assert float(lengths["shift"].lengths / exact) < 1.02 < 1.1 < float(lengths["scale"].lengths / exact)
