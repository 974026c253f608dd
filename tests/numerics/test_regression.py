"""Linear and neighbours' R^2 against cases whose value is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentrl.numerics.regression import angle_r2, neighbour_r2, ols_r2, r2_of_means


def test_r2_of_a_perfect_an_empty_and_a_known_fit() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(20_000, 3))
    signal = inputs @ np.array([1.0, -2.0, 0.5]) + 7
    assert ols_r2(inputs, signal) == pytest.approx(1.0)
    assert abs(ols_r2(inputs, rng.normal(size=20_000))) < 1e-3
    noisy = signal + rng.normal(size=20_000) * np.sqrt(signal.var())
    assert ols_r2(inputs, noisy) == pytest.approx(0.5, abs=0.02)


def test_angle_r2_sees_through_the_jump_at_pi() -> None:
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, 1000)
    ring = np.column_stack((np.cos(angle + 1), np.sin(angle + 1)))
    assert angle_r2(ring, angle) == pytest.approx(1.0)
    assert angle_r2(ring, angle + 2 * np.pi) == pytest.approx(1.0)


def test_r2_does_not_depend_on_the_basis_of_the_latent_space() -> None:
    rng = np.random.default_rng(0)
    inputs, angle = rng.normal(size=(500, 4)), rng.uniform(-9, 9, 500)
    target = np.tanh(inputs[:, 0]) + inputs[:, 3] + rng.normal(size=500)
    basis, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    for r2, values in ((ols_r2, target), (angle_r2, angle)):
        assert r2(inputs @ basis * 3 + 1, values) == pytest.approx(r2(inputs, values), abs=1e-9)


def test_neighbours_find_what_is_bent_and_nothing_where_there_is_nothing() -> None:
    g = torch.Generator().manual_seed(0)
    angle, speed = 6.3 * torch.rand(100, 15, generator=g), torch.rand(100, 15, generator=g)
    radius = 1 + speed
    annulus = 1e3 * torch.stack((radius * angle.cos(), radius * angle.sin(), 0 * radius), -1)
    flat = annulus.flatten(0, 1).numpy()
    assert ols_r2(flat, speed.flatten().numpy()) < 0.05 < 0.95 < neighbour_r2(annulus, speed)
    assert neighbour_r2(annulus, torch.rand(100, 15, generator=g)) < 0.05


def test_a_sequence_is_not_its_own_neighbour() -> None:
    places = torch.arange(4.0)[:, None].expand(4, 20)
    inputs, value = places[..., None], torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None].expand(4, 20)
    assert neighbour_r2(inputs, value) < 0.5


def test_r2_of_means_is_one_minus_the_squared_error_over_the_variance() -> None:
    found = np.random.default_rng(0).integers(20, size=(20, 3))
    target = torch.arange(20.0).view(5, 4)
    guess = np.arange(20.0)[found].mean(1)
    expected = 1 - ((np.arange(20.0) - guess) ** 2).mean() / np.arange(20.0).var()
    assert r2_of_means(torch.from_numpy(found), target) == pytest.approx(expected)
