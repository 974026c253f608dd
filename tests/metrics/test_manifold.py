"""Ratios and smoothness of ways through a plane, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.geometry.graph_search import LatentGraph, decoded_lengths, latent_lengths, shortest_path
from latentrl.geometry.metric import chord
from latentrl.metrics.manifold import (
    Ratios,
    evenly,
    interpolations,
    length_ratios,
    ratio_figures,
    riemannian_graph,
    shortest_ways,
    smoothness,
)


def similarity(z: Tensor) -> Tensor:
    """Flat: three times as large, turned into space."""
    return 3 * z @ torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0]])


def hill(z: Tensor) -> Tensor:
    """The plane with a steep cone of height 3 and radius 1: around it is shorter than over it."""
    height = 3 * (1 - z.norm(dim=-1, keepdim=True)).clamp(min=0)
    return torch.cat((z, height), -1)


def nodes(count: int = 2500, size: float = 2.0) -> Tensor:
    return size * (2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) - 1)


def test_a_straight_geodesic_has_ratios_of_one_and_a_bent_one_its_own() -> None:
    """A half circle from -1 to 1 is pi / 2 times as long as the line, in both spaces where the plane is flat."""
    angle = torch.linspace(math.pi, 0, 200)
    bow = torch.stack((angle.cos(), angle.sin()), -1)
    found = length_ratios(similarity, [chord(bow[0], bow[-1], 9), bow])
    torch.testing.assert_close(found.latent, torch.tensor([1.0, 2 / math.pi]), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.observed, torch.tensor([1.0, 2 / math.pi]), rtol=1e-3, atol=0)


def test_the_graph_goes_around_a_hill_that_the_line_goes_over() -> None:
    """Over it: 2 x 1 and twice the side of the cone, sqrt(10). Around: tangents of sqrt 3 and an arc of pi / 3."""
    start, end = torch.tensor([[-2.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    graph = riemannian_graph(hill, nodes())
    way = shortest_ways(graph, start, end, decoded_lengths(hill))
    found = length_ratios(hill, way)
    around = 2 * math.sqrt(3) + math.pi / 3
    assert float(found.observed) == pytest.approx((2 + 2 * math.sqrt(10)) / around, rel=0.05)
    assert float(found.latent) == pytest.approx(4 / around, rel=0.05)
    assert float(way[0].norm(dim=-1).min()) > 0.9, "it keeps off the cone"
    flat = length_ratios(similarity, shortest_ways(riemannian_graph(similarity, nodes()), start, end))
    assert 0.93 < float(flat.observed) <= 1.0, "corners alone"


def test_ways_are_as_short_as_those_of_the_other_search() -> None:
    some, ends = nodes(200), nodes(8, 1.0)
    graph = LatentGraph.of(some, latent_lengths, 6)
    grown = graph.with_points(ends, latent_lengths, 6)
    for pair, way in enumerate(shortest_ways(graph, ends[:4], ends[4:], latent_lengths, 6)):
        _, length = shortest_path(grown, 200 + pair, 204 + pair)
        assert float(way.diff(dim=0).norm(dim=-1).sum()) == pytest.approx(length, rel=1e-5)
        assert torch.equal(way[0], ends[pair]) and torch.equal(way[-1], ends[4 + pair])


def test_interpolations_are_even_and_smoothness_is_that_of_the_second_difference() -> None:
    """Along x the second difference of (x, a x^2) with steps h is (0, 2 a h^2), everywhere."""
    found = interpolations(nodes(300), nodes(6, 1.0)[:3], nodes(6, 1.0)[3:], 8)
    steps = found.diff(dim=1).norm(dim=-1)
    assert found.shape == (3, 33, 2)
    assert (steps <= steps.median(dim=1, keepdim=True).values * 1.01).all(), "corners cut steps, nothing lengthens them"
    line = evenly([torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]])], 9)

    def parabola(z: Tensor) -> Tensor:
        return torch.stack((z[..., 0], 0.7 * z[..., 0].square()), -1)

    expected = torch.tensor([[0.0, 2 * 0.7 * 0.5**2]])
    torch.testing.assert_close(smoothness(parabola, line), expected, rtol=1e-4, atol=1e-5)


def test_figures_have_mean_and_deviation() -> None:
    found = ratio_figures(Ratios(torch.tensor([0.8, 1.0]), torch.tensor([1.5, 1.5])), "graph")
    assert found["latent_ratio_graph"] == pytest.approx(0.9)
    assert found["latent_ratio_graph_std"] == pytest.approx(math.sqrt(0.02))
    assert (found["observed_ratio_graph"], found["observed_ratio_graph_std"]) == (1.5, 0.0)
