"""The arm with three joints: it is where it is told to be, stops where it says, and a task draws its goals anew."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

pytest.importorskip("mujoco")

from examples.three_joint_arm import LIMIT, ThreeJointArm
from latentrl.envs.declaration import read_declaration
from latentrl.envs.measures.spread import Spread
from latentrl.envs.tasks import Task
from latentrl.evaluation.protocol import drawn_goals

DECLARED = Path(__file__).parent.parent / "examples" / "three_joint_arm.toml"


def test_it_is_an_environment_as_gymnasium_asks() -> None:
    check_env(ThreeJointArm(), skip_render_check=True)


def test_it_begins_where_it_is_told_to_and_stays_there_without_a_torque() -> None:
    env, there = ThreeJointArm(noise=0.0), np.array([0.5, -1.0, 2.0])
    observation, info = env.reset(seed=0, options={"angles": list(there)})
    np.testing.assert_allclose(observation, there, rtol=0, atol=1e-6)
    for _ in range(5):
        observation, *_, info = env.step(np.zeros(3, np.float32))
    np.testing.assert_allclose(info["angles"], there, rtol=0, atol=1e-3)


def test_a_torque_turns_its_own_way_up_to_the_stop() -> None:
    env = ThreeJointArm(noise=0.0)
    env.reset(seed=0, options={"angles": [0.0, 0.0, 0.0]})
    for _ in range(200):
        *_, info = env.step(np.array([1.0, 1.0, 1.0], np.float32))
    assert (info["angles"] > LIMIT - 0.1).all() and (info["angles"] < LIMIT + 0.1).all()


@pytest.mark.parametrize("options", [{"angle": [0, 0, 0]}, {"angles": [0, 0]}])
def test_options_that_say_nothing_are_refused(options: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="three numbers or three ranges"):
        ThreeJointArm().reset(options=options)


def test_every_episode_draws_its_goal_and_the_truth_of_it() -> None:
    declared = read_declaration(DECLARED)
    joints = declared.coordinates[:3]
    options = declared.tasks["pose"]["goal_options"]
    task = Task("ThreeJointArm-v0", ("angles",), Spread(joints), None, None, 10, goal_options=options)
    goals = drawn_goals(task, joints, 8, seed=3)
    assert goals.observations is not None
    np.testing.assert_allclose(goals.observations, goals.goals, rtol=0, atol=0.006)
    assert len(np.unique(goals.goals[:, 0])) == 8 and (np.abs(goals.goals) <= 2.5).all()
    np.testing.assert_array_equal(drawn_goals(task, joints, 8, seed=3).goals, goals.goals)
    assert not np.array_equal(drawn_goals(task, joints, 8, seed=4).goals, goals.goals)


def test_it_is_registered_under_its_name() -> None:
    assert isinstance(gymnasium.make("ThreeJointArm-v0").unwrapped, ThreeJointArm)
