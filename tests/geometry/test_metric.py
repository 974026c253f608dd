from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentrl.geometry.metric import (
    Decoder,
    chord,
    condition_number,
    curve_energy,
    curve_length,
    jacobian,
    magnification_factor,
    metric_tensor,
    pushed_forward,
    smoothed,
    speeds,
)
from latentrl.networks import NETWORKS, NetworkName
from tests.surfaces import LARGE, SMALL, sphere, sphere_metric, torus, torus_metric

POINTS = torch.rand(7, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 + 0.3


@pytest.mark.parametrize(
    ("surface", "metric"), [(sphere, sphere_metric), (torus, torus_metric)], ids=["sphere", "torus"]
)
def test_a_surface_s_metric_is_the_one_in_closed_form(surface: Decoder, metric: Callable[[Tensor], Tensor]) -> None:
    found, exact = metric_tensor(surface, POINTS), metric(POINTS)
    torch.testing.assert_close(found, exact)
    torch.testing.assert_close(magnification_factor(found), exact.diagonal(dim1=-2, dim2=-1).prod(-1).sqrt())
    sides = exact.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(condition_number(found), sides.amax(-1) / sides.amin(-1))


@pytest.mark.parametrize("network", list(NETWORKS))
def test_jacobians_of_the_package_s_decoders_are_finite_differences(network: NetworkName) -> None:
    torch.manual_seed(0)
    decoder = NETWORKS[network].decoder(2, (16,), (16, 16, 1)).double().requires_grad_(False)
    points, step = POINTS.flatten(0, 1), 1e-6
    found = jacobian(decoder, points)
    assert found.shape == (21, 256, 2)
    for axis in range(2):
        moved = torch.zeros(2, dtype=points.dtype)
        moved[axis] = step
        slope = (decoder(points + moved) - decoder(points - moved)).flatten(1) / (2 * step)
        torch.testing.assert_close(found[..., axis], slope, rtol=1e-4, atol=1e-6)
        tangent = moved.expand_as(points) / step
        torch.testing.assert_close(pushed_forward(decoder, points, tangent), found[..., axis])


def test_many_points_are_measured_in_pieces_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = metric_tensor(torus, POINTS)
    monkeypatch.setattr("latentrl.geometry.metric.VALUES_AT_ONCE", 12)
    torch.testing.assert_close(metric_tensor(torus, POINTS), whole)


def test_the_metric_has_a_gradient_in_the_points() -> None:
    points = POINTS[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: metric_tensor(torus, z), (points,))
    assert torch.autograd.gradcheck(lambda z: smoothed(metric_tensor(sphere, z), 0.1), (points,))


def test_smoothing_is_that_of_the_singular_values() -> None:
    """Eq. 5.10 as it stands there."""
    metric = metric_tensor(lambda z: torus(z) @ torch.diag(torch.tensor([1.0, 3.0, 0.2]).double()), POINTS)
    left, values, right = torch.linalg.svd(metric)
    expected = left @ torch.diag_embed(values**3 / (values**2 + 0.3)) @ right
    torch.testing.assert_close(smoothed(metric, 0.3), expected)
    torch.testing.assert_close(smoothed(metric, 0.0), metric)
    equal = torch.eye(2).double().requires_grad_()
    (slope,) = torch.autograd.grad(smoothed(equal, 0.3).sum(), equal)
    assert slope.isfinite().all(), "also where singular values coincide"


def test_lengths_of_circles_on_a_torus_are_their_circumferences() -> None:
    turn = torch.linspace(0, 2 * math.pi, 400, dtype=torch.float64)
    nothing = torch.zeros_like(turn)
    outer, tube = torch.stack((turn, nothing), -1), torch.stack((nothing, turn), -1)
    lengths = curve_length(torus, torch.stack((outer, tube)))
    exact = 2 * math.pi * torch.tensor([LARGE + SMALL, SMALL], dtype=torch.float64)
    torch.testing.assert_close(lengths, exact)
    torch.testing.assert_close(speeds(torus, outer), exact[0].expand(399))
    torch.testing.assert_close(curve_energy(torus, outer), exact[0].square() / 2)


def test_of_the_same_way_at_other_speeds_the_even_one_has_the_least_energy() -> None:
    time = torch.linspace(0, 1, 300, dtype=torch.float64).unsqueeze(-1)
    start, end = torch.tensor([0.0, 0.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    even, uneven = start + time * (end - start), start + time.square() * (end - start)
    torch.testing.assert_close(curve_length(torus, uneven), curve_length(torus, even))
    # int (2 t)^2 dt = 4/3 of the even one's.
    torch.testing.assert_close(
        curve_energy(torus, uneven) / curve_energy(torus, even), time.new_tensor(4 / 3), rtol=1e-3, atol=0
    )


def test_a_chord_meets_its_ends_to_the_last_bit() -> None:
    start, end = torch.rand(5, 3), torch.rand(5, 3)
    line = chord(start, end, 11)
    assert line.shape == (5, 11, 3) and torch.equal(line[:, 0], start) and torch.equal(line[:, -1], end)
    torch.testing.assert_close(line[:, 5], (start + end) / 2)


def test_a_direction_that_changes_nothing_has_no_size() -> None:
    metric = metric_tensor(lambda z: z[..., :1] * torch.ones(4), torch.rand(3, 2))
    assert magnification_factor(metric).tolist() == [0.0] * 3 and condition_number(metric).min() > 1e6
