"""The true physics in torch are those of the environment, and the agent on them is told nothing but the truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentrl.agents import PlannerController, PolicyController
from latentrl.agents.planners import CEM, CEMOptions
from latentrl.envs import TASKS
from latentrl.envs.description import TruthAgent
from latentrl.envs.pendulum import physics
from latentrl.envs.pendulum.oracle import TruePendulum, advance
from latentrl.envs.reacher.oracle import ServoAgent
from latentrl.evaluation.oracles import OracleAgent
from latentrl.evaluation.protocol import run_episodes
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.types import Belief, Dynamics


def _random_states(count: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-np.pi, np.pi, count), rng.uniform(-15, 15, count), rng.uniform(-30, 30, count)


def test_one_step_is_the_environments() -> None:
    angle, velocity, torque = _random_states()
    expected = physics.advance(angle, velocity, torque)
    found = advance(torch.from_numpy(angle), torch.from_numpy(velocity), torch.from_numpy(torque))
    np.testing.assert_allclose(found[0].numpy(), expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1].numpy(), expected[1], atol=1e-12)


@pytest.mark.parametrize("duration", [0.01, 0.22])
def test_a_step_of_another_length_is_the_environments(duration: float) -> None:
    angle, velocity, torque = _random_states(50)
    expected = physics.advance(angle, velocity, torque, *physics.integration(duration))
    fine = physics.advance(angle, velocity, torque, duration, substeps=400)
    found = advance(torch.from_numpy(angle), torch.from_numpy(velocity), torch.from_numpy(torque), duration)
    for one, other, truth in zip(found, expected, fine, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-12)
        np.testing.assert_allclose(other, truth, atol=1e-3)


def test_the_transition_is_the_environments_on_cosine_sine_and_velocity() -> None:
    angle, velocity, torque = _random_states()
    state = torch.from_numpy(np.stack((np.cos(angle), np.sin(angle), velocity), -1))
    mean = TruePendulum().transition(state, torch.from_numpy(torque[:, None])).mean
    after, speed = physics.advance(angle, velocity, torque)
    np.testing.assert_allclose(mean.numpy(), np.stack((np.cos(after), np.sin(after), speed), -1), atol=1e-6)
    assert isinstance(TruePendulum(), Dynamics)


def test_the_transition_is_differentiable() -> None:
    state = torch.tensor([[math.cos(2.0), math.sin(2.0), 1.0]], dtype=torch.float64, requires_grad=True)
    action = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z, u: TruePendulum().transition(z, u).mean, (state, action))


def test_the_agent_is_told_angle_and_velocity() -> None:
    told: list[Belief] = []

    def policy(belief: Belief) -> torch.Tensor:
        told.append(belief)
        return belief.mean[:, 2:]

    agent = OracleAgent(PolicyController(policy), TruePendulum())
    assert isinstance(agent, TruthAgent)
    action = agent.act_on_truth({"angle": np.array([0.0, np.pi / 2]), "velocity": np.array([1.5, -2.0])})
    assert action.dtype == np.float32 and action.tolist() == [[1.5], [-2.0]]
    assert torch.allclose(told[0].mean, torch.tensor([[1.0, 0.0, 1.5], [0.0, 1.0, -2.0]]), atol=1e-6)
    assert told[0].covariance.shape == (2, 3, 3) and not told[0].covariance.any()


@pytest.mark.parametrize(
    ("reward", "torque"),
    [(PositionReward(torch.tensor([1.0, 0.0])), 7.0), (VelocityReward(torch.tensor([-4.0]), 2), 30.0)],
    ids=["upright", "clockwise"],
)
def test_a_planner_on_the_true_physics_reaches_the_goal(reward: PositionReward | VelocityReward, torque: float) -> None:
    bound = torch.tensor([torque])
    model = TruePendulum()
    agent = OracleAgent(PlannerController(CEM(-bound, bound, CEMOptions(horizon=15)), model, reward), model)
    agent.reset(0)
    angle, velocity = np.full(2, np.pi), np.zeros(2)
    late = []
    for step in range(60):
        action = agent.act_on_truth({"angle": angle, "velocity": velocity})
        angle, velocity = physics.advance(angle, velocity, action[:, 0].astype(float))
        if step >= 40:
            late.append((physics.wrap(angle), velocity))
    angles, speeds = (np.array(values) for values in zip(*late, strict=True))
    if isinstance(reward, PositionReward):
        assert np.abs(angles).max() < 0.2
    else:
        assert speeds.mean(0) == pytest.approx(-4.0, rel=0.15)


def test_the_servo_brings_every_arm_to_its_own_goal() -> None:
    """The task is one that can be done, and is judged so: all goals are reached, none of another episode's."""
    pytest.importorskip("dm_control")
    task = TASKS["reach"]
    assert task.draw is not None
    drawn = task.draw(np.random.default_rng(0), 12, None)
    truth = run_episodes(ServoAgent(drawn.goals, 0.5), replace(task, reset_options=drawn.starts), 12).truth
    for goals, reached in ((drawn.goals, 12), (np.roll(drawn.goals, 1, axis=0), 0)):
        outcome = task.measure(truth | {"goal": goals}, task.control_step, None)
        assert outcome.success is not None and outcome.success.sum() == reached
