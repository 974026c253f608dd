"""One contract for every measure: a new one is tested by its line in MEASURES and a case worked out by hand."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, cast

import numpy as np
import pytest

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures import (
    ENCODED,
    GOAL,
    LENGTH,
    MEASURES,
    OBSERVED,
    REWARD,
    SPEEDS,
    Approach,
    Floats,
    Held,
    LatentSpeed,
    Measure,
    Outcome,
    Passed,
    Remaining,
    Score,
    Spread,
    SteadySpeed,
    Together,
    Truth,
)
from latentrl.evaluation.summary import averages

PLACE = Coordinate("place", "line", "place", None, "m", limits=(-2.0, 2.0))
TURN = Coordinate("turn", "angle", "pose", 1)
SPEED = Coordinate("speed", "velocity", "speeds", 0, "m/s")
STEPS, EPISODES = 12, 5


@dataclass(frozen=True)
class Case:
    """Three steps of 0.5 s of one or two episodes, and what comes of them by hand."""

    measure: Measure
    truth: Truth
    success: list[bool] | None
    figures: dict[str, list[float]]
    overall: dict[str, float] = field(default_factory=dict)
    target: float | None = None


def series(*episodes: tuple[float, ...]) -> Floats:
    """``[T, N]`` from the steps of each episode."""
    return np.array(episodes).T


CASES = {
    # The first stays from the second step on, across the cut of the angle; the second ends beyond the rail.
    "held": Case(
        Held((TURN, PLACE), tolerance=0.5, hold=2),
        {
            "pose": np.stack((series((9, 9, 9), (9, 9, 9)), series((0.0, 3.0, 3.1), (3.0, 3.0, 3.0))), -1),
            "place": series((1.0, 1.0, 1.25), (1.0, 1.0, 2.5)),
            GOAL: np.array([[-3.0, 1.0], [3.0, 2.0]]),
        },
        [True, False],
        {
            "turn_error": [2 * np.pi - 6.1, 0.0],
            "place_error": [0.25, 0.5],
            "seconds_to_goal": [1.0, 1.5],
            "beyond_limit": [0.0, 0.5],
        },
        {
            "turn_error_p90": 0.9 * (2 * np.pi - 6.1),
            "place_error_p90": 0.475,
            "collisions": 1.0,
            "there_at_the_end": 1.0,
        },
    ),
    "passed": Case(
        Passed((PLACE,), tolerance=0.1),
        {"place": series((0.0, 1.05, 3.0), (0.0, 0.0, 0.75)), GOAL: np.array([[1.0], [1.0]])},
        [True, False],
        {"seconds_to_goal": [1.0, np.inf], "closest": [0.05, 0.25]},
    ),
    "steady_speed": Case(
        SteadySpeed(SPEED, tolerance=0.1),
        {"speeds": series((7.0, 1.0, 3.0), (7.0, 2.0, 1.0))[..., None]},
        [True, False],
        {
            "mean_speed": [2.0, 1.5],
            "speed_ratio": [1.0, 0.75],
            "ripple": [1.0, 0.5],
            "ripple_peak_to_peak": [2.0, 1.0],
        },
        target=2.0,
    ),
    "score": Case(
        Score(),
        {REWARD: series((1.0, 0.0, 2.0))},
        None,
        {"return": [3.0]},
        {"return_mean": 3.0},
    ),
    "spread": Case(
        Spread((TURN, PLACE)),
        {
            "pose": np.stack((series((9, 9, 9), (9, 9, 9)), series((0, 0, 3.0), (0, 0, -3.0))), -1),
            "place": series((0, 0, 1.0), (0, 0, 2.0)),
        },
        None,
        {"turn_spread": [np.pi - 3.0] * 2, "place_spread": [0.5, 0.5]},
    ),
    "approach": Case(
        Approach(),
        {OBSERVED: series((0.5, 0.25, 0.5), (0.75, 1.0, 0.5)), ENCODED: series((3.0, 2.0, 1.0), (1.0, 2.0, 4.0))},
        None,
        {
            "observed_closest": [0.25, 0.5],
            "seconds_to_observed_closest": [1.0, 1.5],
            "observed_at_end": [0.5, 0.5],
            "encoded_closest": [1.0, 1.0],
            "seconds_to_encoded_closest": [1.5, 0.5],
            "encoded_at_end": [1.0, 4.0],
        },
        # Equal values have a mean without spread; the others' bounds are the extremes of what two can be drawn to.
        {
            "observed_closest_mean": 0.375,
            "observed_closest_low": 0.25,
            "observed_closest_high": 0.5,
            "observed_at_end_mean": 0.5,
            "observed_at_end_low": 0.5,
            "observed_at_end_high": 0.5,
            "encoded_closest_mean": 1.0,
            "encoded_closest_low": 1.0,
            "encoded_closest_high": 1.0,
            "encoded_at_end_mean": 2.5,
            "encoded_at_end_low": 1.0,
            "encoded_at_end_high": 4.0,
        },
    ),
    # The shorter way round for the angle; the nearest it was, and the last.
    "remaining": Case(
        Remaining((TURN, PLACE)),
        {
            "pose": np.stack((series((9, 9, 9)), series((0.0, 3.0, 2.5))), -1),
            "place": series((1.0, 1.5, 3.0)),
            GOAL: np.array([[-3.0, 1.5]]),
        },
        None,
        {
            "turn_closest": [2 * np.pi - 6.0],
            "turn_at_end": [2 * np.pi - 5.5],
            "place_closest": [0.0],
            "place_at_end": [1.5],
        },
        {"turn_at_end_mean": 2 * np.pi - 5.5, "place_at_end_mean": 1.5},
    ),
    # (0.5, -1.5) on average, of which -2.5 / 5 points along what is wanted, and 2.5 across.
    "latent_speed": Case(
        LatentSpeed(),
        {SPEEDS: np.array([[[9.0, 9.0]], [[0.25, -1.0]], [[0.75, -2.0]]]), GOAL: np.array([[-2.0, 1.0]])},
        None,
        {"latent_speed_ratio": [-0.5], "latent_speed_error": [np.sqrt(12.5)]},
        {"latent_speed_ratio_mean": -0.5, "latent_speed_error_mean": np.sqrt(12.5)},
    ),
}


def example(name: str) -> Measure:
    """The measure of a case; of one that has none, a measure of the coordinates that it cannot be made without."""
    if name in CASES:
        return CASES[name].measure
    given = {"Coordinate": PLACE, "tuple[Coordinate, ...]": (TURN, PLACE)}
    kind: Any = MEASURES[name]
    needed = {one.name: one.type for one in fields(kind) if one.default is one.default_factory is MISSING}
    return cast(Measure, kind(**{name: given[str(wanted)] for name, wanted in needed.items()}))


def random_truth() -> dict[str, Floats]:
    """Every entry that a case reads, ``[T, N, ...]``."""
    rng = np.random.default_rng(0)
    shapes = {"place": (), "pose": (2,), "speeds": (1,), REWARD: (), OBSERVED: (), ENCODED: (), SPEEDS: (2,)}
    truth = {name: rng.normal(0, 2, (STEPS, EPISODES, *shape)) for name, shape in shapes.items()}
    return {**truth, GOAL: rng.normal(0, 2, (EPISODES, 2))}


def judged(measure: Measure, truth: Truth, control_step: float = 0.5) -> Outcome:
    return measure(truth, control_step, 2.0)


def check_outcome(measure: Measure) -> None:
    """Everything has one value for each episode, or one for all of them."""
    outcome = judged(measure, random_truth())
    assert outcome.success is None or (outcome.success.shape == (EPISODES,) and outcome.success.dtype == bool)
    assert outcome.figures
    for name, values in outcome.figures.items():
        assert values.shape == (EPISODES,), name
    assert all(isinstance(value, float) for value in outcome.overall.values())
    assert set(outcome.averaged) <= set(outcome.figures)


def check_headings(measure: Measure) -> None:
    """Figures of all episodes together stand in no other place than the table; what has a heading is there."""
    outcome = judged(measure, random_truth())
    together = {*outcome.overall, *averages(outcome)}
    assert together <= set(measure.headings) <= together | set(outcome.figures)
    assert measure.headings and all(measure.headings.values())


def check_episodes_are_judged_apart(measure: Measure) -> None:
    """In another order the episodes come to the same; Spread's mean is that of all in any order."""
    truth, order = random_truth(), np.array([3, 0, 4, 1, 2])
    shuffled = {name: values[order] if name == GOAL else values[:, order] for name, values in truth.items()}
    before, after = judged(measure, truth), judged(measure, shuffled)
    for name, values in before.figures.items():
        np.testing.assert_allclose(after.figures[name], values[order], err_msg=name)
    if before.success is not None:
        assert after.success is not None and after.success.tolist() == before.success[order].tolist()


def check_times_are_in_seconds(measure: Measure) -> None:
    truth = random_truth()
    slow, fast = judged(measure, truth, 0.5), judged(measure, truth, 0.25)
    for name, values in slow.figures.items():
        share = 0.5 if name.startswith("seconds_") else 1.0
        np.testing.assert_allclose(fast.figures[name], share * values, err_msg=name)


CHECKS = (check_outcome, check_headings, check_episodes_are_judged_apart, check_times_are_in_seconds)


def test_the_measures_of_this_package_have_cases() -> None:
    assert set(CASES) <= set(MEASURES)
    assert all(isinstance(case.measure, MEASURES[name]) for name, case in CASES.items())


@pytest.mark.parametrize("name", CASES)
def test_a_measure_says_what_comes_of_a_case_by_hand(name: str) -> None:
    case = CASES[name]
    outcome = case.measure(case.truth, 0.5, case.target)
    assert (None if outcome.success is None else outcome.success.tolist()) == case.success
    assert outcome.figures.keys() == case.figures.keys()
    for figure, values in case.figures.items():
        np.testing.assert_allclose(outcome.figures[figure], values, atol=1e-12, err_msg=figure)
    assert {**outcome.overall, **averages(outcome)} == pytest.approx(case.overall)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_keeps_the_contract(name: str, check: object) -> None:
    assert callable(check)
    check(example(name))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_pose_that_is_the_same_for_all_keeps_it_too(check: object) -> None:
    """Held has fewer figures there: those of a goal of one's own are left out."""
    assert callable(check)
    check(Held((TURN, PLACE), goal=(0.0, 1.0)))
    check(Held((TURN,), goal=(0.0,), settling="seconds_to_upright"))


class Nameless:
    """A measure that gives a figure no heading, and one that does not exist a heading."""

    headings = {"nothing": "nothing"}  # noqa: RUF012

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        place = truth["place"]
        return Outcome(None, {"seconds_spent": place[-1] - place.mean()}, {"all": 1.0})


@pytest.mark.parametrize("check", [check_headings, check_times_are_in_seconds], ids=lambda check: check.__name__)
def test_the_checks_find_what_is_wrong(check: object) -> None:
    assert callable(check)
    with pytest.raises(AssertionError):
        check(Nameless())


def test_what_ended_early_is_judged_up_to_its_end() -> None:
    """After its end an episode's entries stand still: three steps of the first count, all five of the second."""
    place = series((1.0, 1.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0, 1.0))
    truth = {"place": place, GOAL: np.zeros((2, 1)), LENGTH: np.array([3.0, 5.0])}
    held = Held((PLACE,), tolerance=0.1, hold=2)
    assert held({**truth, "place": 1 - place}, 1.0, None).success.tolist() == [False, True]  # type: ignore[union-attr]
    frozen = held({name: values for name, values in truth.items() if name != LENGTH}, 1.0, None)
    assert frozen.success.tolist() == [True, False], "it would have been held, had it stood there"  # type: ignore[union-attr]
    assert held(truth, 1.0, None).success.tolist() == [False, False]  # type: ignore[union-attr]
    short = Held((PLACE,), tolerance=0.1, hold=1)
    assert short(truth, 1.0, None).success.tolist() == [True, False]  # type: ignore[union-attr]
    still = {**truth, "place": np.zeros((5, 2))}
    assert Held((PLACE,), hold=4)(still, 1.0, None).success.tolist() == [False, True]  # type: ignore[union-attr]
    speeds = series((9.0, 2.0, 4.0, 4.0, 4.0), (9.0, 9.0, 1.0, 2.0, 3.0))[..., None]
    figures = SteadySpeed(SPEED)({"speeds": speeds, LENGTH: truth[LENGTH]}, 1.0, 2.0).figures
    np.testing.assert_allclose(figures["mean_speed"], [3.0, 2.0])
    np.testing.assert_allclose(figures["ripple_peak_to_peak"], [2.0, 2.0])
    latent = LatentSpeed()({SPEEDS: speeds, LENGTH: truth[LENGTH], GOAL: np.full((2, 1), 2.0)}, 1.0, None).figures
    np.testing.assert_allclose(latent["latent_speed_ratio"], [1.5, 1.0])


def test_every_coordinate_may_have_a_tolerance_of_its_own() -> None:
    truth = {
        "pose": np.stack((series((9, 9), (9, 9)), series((0.3, 0.3), (0.3, 0.3))), -1),
        "place": series((0.05, 0.05), (0.3, 0.3)),
        GOAL: np.zeros((2, 2)),
    }
    for measure in (Held((TURN, PLACE), tolerance=(0.4, 0.1), hold=2), Passed((TURN, PLACE), tolerance=(0.4, 0.1))):
        success = measure(truth, 1.0, None).success
        assert success is not None and success.tolist() == [True, False]
    closest = Passed((TURN, PLACE), tolerance=(0.4, 0.1))(truth, 1.0, None).figures["closest"]
    np.testing.assert_allclose(closest, [0.75, 3.0])


def test_measures_together_say_what_each_says() -> None:
    truth = {**CASES["held"].truth, **CASES["score"].truth, REWARD: np.ones((3, 2))}
    both = Together((Score(), CASES["held"].measure))
    outcome = both(truth, 0.5, None)
    assert outcome.success is not None and outcome.success.tolist() == CASES["held"].success
    assert set(outcome.figures) == {"return", *CASES["held"].figures} and outcome.averaged == ("return",)
    assert set(both.headings) == {*Score().headings, *CASES["held"].measure.headings}
