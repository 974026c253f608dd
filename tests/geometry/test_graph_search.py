from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse.csgraph
import torch

from latentrl.geometry.graph_search import (
    LatentGraph,
    decoded_lengths,
    interpolated,
    latent_lengths,
    roughness,
    shortest_path,
)
from latentrl.geometry.metric import chord, curve_length
from tests.surfaces import sphere


def scattered(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ring(count: int) -> torch.Tensor:
    """Points near the unit circle, but for a gap around angle zero."""
    angle = 2 * math.pi * (0.05 + 0.9 * scattered(count)[:, 0])
    radius = 0.95 + 0.1 * scattered(count, 1)[:, 0]
    return torch.stack((radius * angle.cos(), radius * angle.sin()), -1)


def test_links_are_those_of_nearest_neighbours_and_as_long_as_they_say() -> None:
    nodes = scattered(30)
    weights = LatentGraph.of(nodes, neighbours=4).weights.toarray()
    apart = torch.cdist(nodes, nodes).numpy()
    wanted = np.zeros_like(apart)
    for row in range(30):
        near = apart[row].argsort()[1:5]
        wanted[row, near] = wanted[near, row] = apart[row, near]
    np.testing.assert_allclose(weights, wanted)


def test_parts_without_a_link_are_joined_by_the_shortest_line() -> None:
    nodes = torch.cat((scattered(20), scattered(20, 1) + torch.tensor([9.0, 0.0])))
    weights = LatentGraph.of(nodes, neighbours=3).weights
    assert scipy.sparse.csgraph.connected_components(weights)[0] == 1
    bridges = weights[:20, 20:]
    assert bridges.nnz == 1 and bridges.data[0] == pytest.approx(torch.cdist(nodes[:20], nodes[20:]).min())


@pytest.mark.parametrize("guided", [False, True])
def test_a_star_finds_what_dijkstra_finds(guided: bool) -> None:
    nodes = scattered(200)
    graph = LatentGraph.of(nodes, decoded_lengths(sphere), neighbours=6)
    exact = scipy.sparse.csgraph.shortest_path(graph.weights, method="D")
    seen = sphere(nodes)
    for start, end in ((0, 1), (5, 150), (199, 3), (7, 7)):
        bound = (seen - seen[end]).norm(dim=-1).numpy() if guided else None
        path, length = shortest_path(graph, start, end, bound)
        assert path[0] == start and path[-1] == end and length == pytest.approx(exact[start, end])
        assert sum(graph.weights[a, b] for a, b in zip(path, path[1:], strict=False)) == pytest.approx(length)
    np.testing.assert_allclose(graph.distances_from(5).numpy(), exact[5])


def test_no_way_is_an_error() -> None:
    graph = LatentGraph(scattered(3), scipy.sparse.csr_matrix(([1.0, 1.0], ([0, 1], [1, 0])), shape=(3, 3)))
    with pytest.raises(ValueError, match="no path leads from node 0 to node 2"):
        shortest_path(graph, 0, 2)


def test_a_link_is_measured_as_finely_as_it_is_cut() -> None:
    start, end = scattered(10) + 0.3, scattered(10, 1) + 0.3
    exact = curve_length(sphere, chord(start, end, 2000))
    fine, coarse = decoded_lengths(sphere, 64)(start, end), decoded_lengths(sphere, 1)(start, end)
    torch.testing.assert_close(fine, exact, rtol=1e-3, atol=1e-6)
    assert (coarse <= exact).all() and (coarse < 0.999 * exact).any(), "a polygon is shorter than the curve it cuts"


def test_interpolation_stays_on_the_data_where_a_line_would_not() -> None:
    """Section 3.4: around the ring, not across its hole or its gap."""
    nodes = ring(400)
    start, end = (torch.tensor([math.cos(a), math.sin(a)], dtype=torch.float64) for a in (0.35, 2 * math.pi - 0.35))
    path = interpolated(nodes, start, end, neighbours=8)
    assert torch.equal(path[0], start) and torch.equal(path[-1], end)
    assert path.norm(dim=-1).min() > 0.9
    length = path.diff(dim=0).norm(dim=-1).sum()
    assert 0.93 * (2 * math.pi - 0.7) < float(length) < 1.1 * (2 * math.pi - 0.7)
    same = interpolated(nodes, start, end, neighbours=8, lengths=lambda a, b: latent_lengths(a, b))
    torch.testing.assert_close(same, path)  # by Dijkstra's algorithm, for nothing is known of such lengths


def test_roughness_is_that_of_a_parabola() -> None:
    time = torch.arange(9.0).unsqueeze(-1)
    path = torch.cat((3 * time.square() + time, time), -1)
    torch.testing.assert_close(roughness(path), torch.tensor([6.0, 0.0]))
    assert roughness(path[:2]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "nodes", [torch.zeros(1, 2), torch.zeros(3), torch.full((4, 2), torch.nan)], ids=["one", "flat", "nan"]
)
def test_what_is_no_graph_is_refused(nodes: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="two finite nodes"):
        LatentGraph.of(nodes)
