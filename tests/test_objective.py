"""REWO step by step against Algorithm 3 worked out by hand, and its phases."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.objective import DYNAMICS_GROUPS, ELBO, REWO
from latentrl.types import RateDistortion


def terms(error: float, rate: float = 2.0, distortion: float = 3.0) -> RateDistortion:
    return RateDistortion(torch.full((4,), rate), torch.full((4,), distortion), torch.full((4,), error))


def test_rewo_follows_algorithm_3() -> None:
    objective = REWO(bound=0.01, nu=30.0, tau1=10.0, tau2=0.5, alpha=0.9)
    beta, smoothed = 1.0, None
    for error in (0.5, 0.3, 0.02, 0.001, 0.001, 0.0):
        smoothed = error if smoothed is None else 0.1 * error + 0.9 * smoothed
        delta = smoothed - 0.01
        slope = math.tanh(10.0 * (beta - 1)) if delta <= 0 else -0.5
        beta = min(1.0, beta * math.exp(30.0 * slope * delta))
        objective.update(terms(error))
        assert objective.constraint == pytest.approx(smoothed, rel=1e-6)
        assert objective.beta == pytest.approx(beta, rel=1e-6)


def test_beta_falls_while_the_constraint_is_violated_and_returns_to_one() -> None:
    objective = REWO(bound=9e-4)
    for _ in range(100):
        objective.update(terms(0.03))
    lowest = objective.beta
    assert lowest < 0.02
    # The published nu moves log beta by about nu * kappa^2 a step: the way back takes some hundred steps.
    for _ in range(400):
        objective.update(terms(1e-4))
    assert lowest < objective.beta <= 1.0 and objective.beta > 0.99


def test_initial_phase_trains_encoder_and_decoder_alone_and_ends_once() -> None:
    objective = REWO(bound=0.01)
    objective.update(terms(1.0))
    assert objective.frozen() == DYNAMICS_GROUPS
    for _ in range(200):
        objective.update(terms(0.0))
    assert objective.frozen() == frozenset()
    objective.update(terms(100.0))
    assert objective.frozen() == frozenset(), "the main phase lasts, whatever the constraint does"


def test_loss_is_distortion_plus_beta_times_rate() -> None:
    objective = REWO(bound=0.01)
    objective.beta = 0.25
    assert float(objective.loss(terms(1.0))) == pytest.approx(3.0 + 0.25 * 2.0)
    assert float(ELBO().loss(terms(1.0))) == pytest.approx(5.0)


def test_state_round_trip() -> None:
    first = REWO(bound=0.01)
    for error in (0.5, 0.1, 0.002):
        first.update(terms(error))
    second = REWO(bound=0.01)
    second.load_state(first.state())
    first.update(terms(0.004))
    second.update(terms(0.004))
    assert first.state() == second.state()


def test_a_bound_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="kappa"):
        REWO(bound=0.0)
