"""The measures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from latentrl.envs.measures import Held, Passed, Score, Spread, SteadySpeed, settling_time
from latentrl.envs.pendulum.tasks import ANGLE, VELOCITY
from latentrl.envs.reacher.tasks import POSE
from latentrl.evaluation.summary import averages, control_rate
from latentrl.numerics.statistics import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [(50, 50, 0.92865, 1.0), (5, 10, 0.23659, 0.76341), (0, 10, 0.0, 0.27753)],
)
def test_wilson_interval_against_published_values(successes: int, episodes: int, low: float, high: float) -> None:
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize(("successes", "episodes"), [(49, 50), (10, 50), (1, 3)])
def test_wilson_bounds_are_where_the_score_test_turns(successes: int, episodes: int) -> None:
    """By definition they are the rates p with (successes / n - p)^2 = z^2 p (1 - p) / n."""
    rate, spread = successes / episodes, 1.959963984540054**2 / episodes
    roots = sorted(np.roots([1 + spread, -(2 * rate + spread), rate**2]))
    assert wilson_interval(successes, episodes) == pytest.approx(roots, abs=1e-9)


@pytest.mark.parametrize(("successes", "episodes"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_interval_refuses_what_cannot_be(successes: int, episodes: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(successes, episodes)


def test_upright_means_all_of_the_last_fifty_steps_on_any_turn() -> None:
    angle = np.zeros((200, 6))
    angle[:150] = 3.0
    angle[:, 1] += 2 * np.pi
    angle[150, 2] = 0.21
    angle[199, 3] = -0.21
    angle[150:, 4] = np.linspace(-0.199, 0.199, 50) - 4 * np.pi
    angle[150:, 5] = np.pi
    outcome = Held((ANGLE,), (0.0,), 0.2, 50, "seconds_to_upright")({"angle": angle}, 0.1, None)
    assert outcome.success is not None
    assert outcome.success.tolist() == [True, True, False, False, True, False]
    # Settled from the state after step 150 on, the 151st; one step later where that one is outside.
    expected = [15.1, 15.1, 15.2, np.inf, 15.1, np.inf]
    assert outcome.figures["seconds_to_upright"] == pytest.approx(expected)


def test_a_pose_held_for_seconds_is_held_for_as_many_steps_as_they_take() -> None:
    angle = np.full((100, 2), 3.0)
    angle[80:, 0], angle[81:, 1] = 0.0, 0.0
    for held, step, expected in (
        (Held((ANGLE,), (0.0,), 0.2, 50, seconds=2.0), 0.1, [True, False]),
        (Held((ANGLE,), (0.0,), 0.2, 50, seconds=2.0), 0.2, [True, True]),
        (Held((ANGLE,), (0.0,), 0.2, 20), 0.2, [True, False]),
    ):
        success = held({"angle": angle}, step, None).success
        assert success is not None and success.tolist() == expected


def test_settling_time_counts_from_the_last_step_outside() -> None:
    inside = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]], dtype=bool).T
    assert settling_time(inside, 0.5).tolist() == [0.5, 1.0, 1.5, 1.5, np.inf]


def test_settling_time_equals_a_loop() -> None:
    inside = np.random.default_rng(0).random((12, 200)) < 0.9
    for column, seconds in zip(inside.T, settling_time(inside, 0.1), strict=True):
        first = next((t for t in range(12) if column[t:].all()), None)
        assert seconds == (np.inf if first is None else pytest.approx(0.1 * (first + 1)))


def test_speed_is_measured_over_the_second_half_with_its_direction() -> None:
    velocity = np.full((8, 4), -4.0)
    velocity[:4] = 99.0  # the first half does not count
    velocity[4:, 1] = [-3.0, -5.0, -3.0, -5.0]
    velocity[4:, 2] = 4.0
    velocity[4:, 3] = -4.21
    outcome = SteadySpeed(VELOCITY)({"velocity": velocity}, 0.1, -4.0)
    assert outcome.success is not None
    assert outcome.success.tolist() == [True, True, False, False]
    assert outcome.figures["mean_speed"] == pytest.approx([-4, -4, 4, -4.21])
    assert outcome.figures["speed_ratio"] == pytest.approx([1, 1, -1, 1.0525])
    assert outcome.figures["ripple"] == pytest.approx([0, 1, 0, 0])
    assert outcome.figures["ripple_peak_to_peak"] == pytest.approx([0, 2, 0, 0])


@pytest.mark.parametrize("target", [None, 0.0])
def test_a_speed_needs_a_target(target: float | None) -> None:
    with pytest.raises(ValueError, match="target"):
        SteadySpeed(VELOCITY)({"velocity": np.ones((4, 1))}, 0.1, target)


def test_control_rate() -> None:
    rate = control_rate(np.array([0.01] * 99 + [0.5]))
    assert rate["hz_median"] == pytest.approx(100)
    assert 2 <= rate["hz_p99"] < 100


def poses(*path: tuple[float, float]) -> np.ndarray:
    """One episode ``[T, 1, 2]``."""
    return np.array(path)[:, None]


def test_a_pose_is_reached_by_both_joints_and_held_without_the_wrist_beyond_its_limit() -> None:
    goal = np.array([[3.1, 1.0]])
    judge = Held(POSE, hold=2)
    close, turned, far = (3.06, 1.04), (-3.14 - 4 * np.pi, 0.96), (3.1, 1.06)
    for path, success, there in (
        ((far, close, close), True, 1.0),
        ((far, turned, close), True, 1.0),
        ((close, close, far), False, 0.0),
        ((far, far, close), False, 1.0),
        (((3.1, -2.8), close, close), False, 0.0),
    ):
        outcome = judge({"angles": poses(*path), "goal": goal}, 0.04, None)
        assert outcome.success is not None and outcome.success.tolist() == [success], path
        assert outcome.overall["there_at_the_end"] == there, path
    assert outcome.figures["beyond_limit"] == pytest.approx(2.8 - np.deg2rad(160))
    assert outcome.overall["collisions"] == 1.0
    outcome = judge({"angles": poses(far, turned, turned), "goal": goal}, 0.04, None)
    assert outcome.figures["shoulder_error"] == pytest.approx(2 * np.pi - 6.24)
    assert outcome.figures["wrist_error"] == pytest.approx(0.04)
    assert outcome.figures["seconds_to_goal"] == pytest.approx(0.08) and outcome.figures["beyond_limit"] == 0.0


def test_final_errors_are_summed_up_by_their_90th_percentile() -> None:
    wrist = np.linspace(0.0, 1.0, 11)
    angles = np.stack((np.zeros(11), wrist), -1)[None]
    outcome = Held(POSE, hold=1)({"angles": angles, "goal": np.zeros((11, 2))}, 0.04, None)
    expected = {"shoulder_error_p90": 0.0, "wrist_error_p90": 0.9, "collisions": 0.0, "there_at_the_end": 1.0}
    assert outcome.overall == pytest.approx(expected)


def test_passing_a_pose_is_enough_if_both_joints_are_there_at_once() -> None:
    one_by_one = poses((0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
    passing = poses((1.0, 1.0), (0.04, -0.04), (1.0, 1.0))
    angles = np.concatenate((one_by_one, passing), 1)
    outcome = Passed(POSE)({"angles": angles, "goal": np.zeros((2, 2))}, 0.04, None)
    assert outcome.success is not None and outcome.success.tolist() == [False, True]
    assert outcome.figures["seconds_to_goal"] == pytest.approx(np.array([np.inf, 0.08]))
    assert outcome.figures["closest"] == pytest.approx(np.array([1.0, 0.04]))


def test_a_score_is_the_sum_of_rewards_with_its_interval() -> None:
    reward = np.array([[1.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    outcome = Score()({"reward": reward}, 0.04, None)
    assert outcome.success is None and outcome.figures["return"].tolist() == [3.0, 4.0, 0.0]
    interval = bootstrap_interval([3.0, 4.0, 0.0])
    assert averages(outcome) == {"return_mean": 7 / 3, "return_low": interval.low, "return_high": interval.high}
    assert averages(Score()({"reward": reward[:, :1]}, 0.04, None)) == {"return_mean": 3.0}


def test_spread_is_the_distance_from_the_mean_modulo_a_turn() -> None:
    angles = np.array([[[3.1, 0.2], [-3.1, 0.4]]])
    outcome = Spread(POSE)({"angles": angles}, 0.04, None)
    assert outcome.success is None
    assert outcome.figures["shoulder_spread"] == pytest.approx(np.full(2, np.pi - 3.1))
    assert outcome.figures["wrist_spread"] == pytest.approx(np.full(2, 0.1))
