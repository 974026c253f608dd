"""Nearest neighbours against a search through all points, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentrl.numerics import neighbours
from latentrl.numerics.neighbours import nearest, nearest_elsewhere, squared_distances


def test_squared_distances_are_those_of_every_pair_and_never_negative() -> None:
    g = torch.Generator().manual_seed(0)
    points, among = 100 + torch.randn(30, 3, generator=g), 100 + torch.randn(40, 3, generator=g)
    expected = (points.double().unsqueeze(1) - among.double()).square().sum(-1)
    torch.testing.assert_close(squared_distances(points, among), expected.float(), rtol=1e-4, atol=1e-4)
    assert float(squared_distances(among, among).min()) >= 0


@pytest.mark.parametrize("rows", [7, 500])
def test_the_nearest_are_those_of_a_search_through_all(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", rows)
    g = torch.Generator().manual_seed(0)
    points, among = torch.randn(20, 4, generator=g).double(), torch.randn(30, 4, generator=g).double()
    distance, index = nearest(points, among, 5)
    for i, point in enumerate(points):
        squares = np.array([float((point - other).square().sum()) for other in among])
        order = squares.argsort()[:5]
        assert index[i].tolist() == order.tolist()
        np.testing.assert_allclose(distance[i].numpy(), squares[order], rtol=1e-9)


def test_points_of_the_same_group_are_no_neighbours() -> None:
    points = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    group = torch.tensor([0, 0, 1, 1])
    assert nearest(points, points, 1)[1].flatten().tolist() == [0, 1, 2, 3]
    assert nearest(points, points, 1, (group, group))[1].flatten().tolist() == [2, 2, 1, 1]


def test_a_point_that_is_not_finite_is_near_to_nothing_and_spoils_no_other() -> None:
    points = torch.tensor([[0.0], [float("nan")], [5.0]])
    found = squared_distances(points, torch.tensor([[0.0], [4.0]]))
    assert found[1].isnan().all() and found[[0, 2]].tolist() == [[0.0, 16.0], [25.0, 1.0]]


def test_the_nearest_elsewhere_are_those_in_other_sequences_whatever_the_scale() -> None:
    points = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 50.0, 0.1])
    flat = points.flatten(0, 1).double().numpy()
    centred = flat - flat.mean(0)
    inverse = np.linalg.inv(centred.T @ centred / len(flat))
    found = nearest_elsewhere(points, 3).numpy()
    for point in range(20):
        difference = flat - flat[point]
        mahalanobis = np.einsum("nd,de,ne->n", difference, inverse, difference)
        mahalanobis[point // 4 * 4 : point // 4 * 4 + 4] = np.inf
        assert found[point].tolist() == np.argsort(mahalanobis)[:3].tolist()
    assert nearest_elsewhere(points[:2], 99).shape == (8, 4), "no more than the other sequences have"
