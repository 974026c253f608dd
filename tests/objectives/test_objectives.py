"""Every objective step by step against its equation worked out by hand, and the phases of REWO."""

from __future__ import annotations

import math

import pytest
import torch

from latentrl.objectives import OBJECTIVES
from latentrl.objectives.annealing import Annealing
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.geco import GECO
from latentrl.objectives.independent import START, IndependentREWO, ReciprocalREWO
from latentrl.objectives.rewo import DYNAMICS_GROUPS, REWO
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
        assert float(objective.constraint) == pytest.approx(smoothed, rel=1e-6)
        assert float(objective.beta) == pytest.approx(beta, rel=1e-6)


def test_beta_falls_while_the_constraint_is_violated_and_returns_to_one() -> None:
    objective = REWO(bound=9e-4)
    for _ in range(100):
        objective.update(terms(0.03))
    lowest = float(objective.beta)
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


def test_annealing_rises_linearly_and_stays_at_one() -> None:
    objective = Annealing(steps=4, start=0.2)
    betas = []
    for _ in range(7):
        objective.update(terms(5.0))
        betas.append(float(objective.beta))
        assert objective.frozen() == frozenset()
    assert betas == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
    assert objective.constraint == 5.0 and math.isnan(float(objective.bound))
    assert float(Annealing(steps=4).loss(terms(1.0))) == pytest.approx(3.0), "the rate weighs nothing at first"


def test_geco_follows_equation_3_4() -> None:
    objective = GECO(bound=0.01, nu=30.0, alpha=0.9)
    multiplier, smoothed = 1.0, None
    for error in (0.1, 0.05, 0.02, 0.001, 0.0, 0.0):
        smoothed = error if smoothed is None else 0.1 * error + 0.9 * smoothed
        multiplier *= math.exp(30.0 * (smoothed - 0.01))
        objective.update(terms(error))
        assert float(objective.constraint) == pytest.approx(smoothed, rel=1e-6)
        assert float(objective.beta) == pytest.approx(1 / multiplier, rel=1e-6)
        assert objective.frozen() == frozenset()


def test_geco_goes_past_one_where_the_bound_is_loose_and_keeps_its_limits() -> None:
    loose, violated = (GECO(bound=0.05, nu=30.0, limits=(1e-3, 20.0)) for _ in range(2))
    for _ in range(50):
        loose.update(terms(0.01))
        violated.update(terms(1e9))
    assert loose.beta > 1.5 and float(violated.beta) == pytest.approx(1e-3)
    for _ in range(50):
        loose.update(terms(0.0))
    assert float(loose.beta) == pytest.approx(20.0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_state_round_trip(name: str) -> None:
    first, second = (OBJECTIVES[name](ObjectiveSettings(bound=0.01, annealing_steps=9)) for _ in range(2))
    for error in (0.5, 0.1, 0.002):
        first.update(terms(error))
    second.load_state(first.state())
    for objective in (first, second):
        objective.update(terms(0.004))
    assert first.state() == second.state() and first.frozen() == second.frozen()


def test_names_stand_for_their_objectives() -> None:
    made = {name: type(make(ObjectiveSettings(0.01, 9))) for name, make in OBJECTIVES.items()}
    expected: dict[str, type[Objective]] = {"elbo": ELBO, "annealing": Annealing, "geco": GECO, "rewo": REWO}
    assert made == expected | {"reciprocal": ReciprocalREWO}
    of_frames = {name: make(ObjectiveSettings(0.01, 9, frames=True)) for name, make in OBJECTIVES.items()}
    assert type(of_frames["rewo"]) is IndependentREWO and all(
        float(of_frames[name].beta) == pytest.approx(START) for name in ("rewo", "geco", "reciprocal")
    )


@pytest.mark.parametrize("objective", [GECO, REWO])
def test_a_bound_of_zero_is_refused(objective: type[GECO] | type[REWO]) -> None:
    with pytest.raises(ValueError, match="kappa"):
        objective(bound=0.0)


def test_the_step_size_is_the_source_s_at_its_kappa() -> None:
    assert REWO(bound=0.03**2).nu == 300.0 and REWO(bound=0.03**2, nu=10.0).nu == 10.0
    assert REWO(bound=0.006**2).nu == 300.0 and REWO(bound=0.3**2).nu == pytest.approx(3.0)


@pytest.mark.parametrize("objective", [GECO, REWO])
def test_beta_does_not_depend_on_the_units_of_data_with_large_errors(objective: type[GECO] | type[REWO]) -> None:
    def betas(scale: float) -> list[float]:
        weighing, path = objective(bound=0.01 * scale), []
        for error in (0.4, 0.1, 0.03, 0.012, 0.005, 0.004):
            for _ in range(20):
                weighing.update(terms(error * scale))
                path.append(float(weighing.beta))
        return path

    assert betas(1e4) == pytest.approx(betas(1.0), rel=1e-4)
    assert min(betas(1e4)) < 0.9


@pytest.mark.parametrize(("steps", "start"), [(0, 0.0), (5, -0.1), (5, 1.1)])
def test_an_impossible_annealing_is_refused(steps: int, start: float) -> None:
    with pytest.raises(ValueError, match="annealing"):
        Annealing(steps, start)


def test_of_independent_frames_beta_rests_far_below_one_until_the_constraint_is_met_once() -> None:
    """Algorithm 2 and Eq. 3.11, step by step in plain numbers."""
    bound, nu, tau, alpha = 0.01, 2.0, 3.0, 0.9
    objective = IndependentREWO(bound, nu, tau, alpha)
    beta, smoothed, initial = START, 0.3, True
    for error in (0.3, 0.2, *[0.001] * 40, 0.5, 0.4, *[0.0] * 30):
        smoothed = (1 - alpha) * error + alpha * smoothed
        delta = smoothed - bound
        initial = initial and delta > 0
        if not initial:
            slope = -1.0 if delta > 0 else math.tanh(tau * (beta - 1))
            beta = min(1.0, beta * math.exp(nu * slope * delta))
        objective.update(terms(error))
        assert float(objective.beta) == pytest.approx(beta, rel=1e-5)
        assert (objective.frozen() == frozenset()) != initial
    assert not initial and beta != START


def test_the_step_sizes_of_frames_are_those_of_the_source_s_table() -> None:
    assert IndependentREWO(0.02**2).nu == 5.0 and IndependentREWO(0.18**2).nu == pytest.approx(1.0)
    assert IndependentREWO(100.0**2).nu * 100.0**2 == pytest.approx(0.18**2)


@pytest.mark.parametrize("rests", [True, False])
def test_the_reciprocal_update_is_the_source_s(rests: bool) -> None:
    """Eq. 3.12 and 3.13, step by step in plain numbers."""
    bound, nu, tau = 0.01, 20.0, 2.0
    objective = ReciprocalREWO(bound, nu, tau, alpha=0.0, start=0.2, rests=rests)
    gamma, initial = (1 / 0.2 - 1) / tau, True
    for error in (0.1, 0.05, 0.001, 0.002, 0.3, 0.0):
        initial = initial and error > bound
        if not (initial and rests):
            gamma *= math.exp(nu * (error - bound))
        objective.update(terms(error))
        assert float(objective.beta) == pytest.approx(1 / (1 + tau * gamma), rel=1e-5)
        assert (objective.frozen() == frozenset()) != initial


def test_cyclical_annealing_begins_again() -> None:
    objective, path = Annealing(4, period=6), []
    for _ in range(14):
        objective.update(terms(1.0))
        path.append(float(objective.beta))
    once = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert path == [*once, *once, *once[:2]]
    with pytest.raises(ValueError, match="cycle"):
        Annealing(4, period=0)
