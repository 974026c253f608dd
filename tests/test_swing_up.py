"""Learning tests: the policy and the planner swing up a pendulum whose physics are known exactly.

The controlled pendulum is the same as the model's, but the controllers see its state through noise.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.agents import Controller, PlannerController, PolicyController
from latentrl.agents.planners import CEM
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.position import PositionReward
from latentrl.types import Belief

TORQUE = torch.tensor([7.0])
UPRIGHT = PositionReward(torch.tensor([0.0, 1.0]))


class Pendulum:
    """State (sin, cos, velocity); m = l = 1, g = 9.81, friction 0.1; steps of 0.1 s, the velocity's before the angle's.

    Such steps neither gain nor lose energy of their own accord, which is what a swing-up is about.
    """

    variance = torch.tensor([0.01, 0.01, 0.03]).square()

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        sine, cosine, velocity = state.unbind(-1)
        angle = torch.atan2(sine, cosine)
        velocity = 0.99 * velocity + 0.1 * (9.81 * angle.sin() + action[..., 0])
        angle = angle + 0.1 * velocity
        return DiagonalGaussian(torch.stack([angle.sin(), angle.cos(), velocity], -1), self.variance)


def start_states(count: int, generator: torch.Generator) -> Tensor:
    """Any angle, speeds up to 5 rad/s: where random data would have started."""
    angle = (2 * torch.rand(count, generator=generator) - 1) * math.pi
    velocity = (2 * torch.rand(count, generator=generator) - 1) * 5
    return torch.stack([angle.sin(), angle.cos(), velocity], -1)


@torch.no_grad()
def successes(controller: Controller, episodes: int, steps: int, seed: int) -> int:
    """Episodes from hanging at rest that end with 50 steps within 0.2 rad of upright."""
    pendulum, generator = Pendulum(), torch.Generator().manual_seed(seed)
    state = torch.tensor([0.0, -1.0, 0.0]).expand(episodes, 3)
    blur = torch.tensor([0.01, 0.01, 0.05])
    controller.reset(seed)
    angles = []
    for _ in range(steps):
        seen = state + blur * torch.randn(state.shape, generator=generator)
        belief = Belief(seen, blur.square().diag().expand(episodes, 3, 3))
        state = pendulum.transition(state, controller(belief)).mean
        angles.append(torch.atan2(state[:, 0], state[:, 1]).abs())
    return int((torch.stack(angles[-50:]) <= 0.2).all(0).sum())


def test_a_policy_learned_inside_the_model_swings_up() -> None:
    options = AnalyticGradientOptions(updates=150)  # a known model needs less than half of what a learned one is given
    policy = AnalyticGradient(Pendulum(), UPRIGHT, start_states, -TORQUE, TORQUE, options, seed=0).learn()
    assert successes(PolicyController(policy), episodes=50, steps=200, seed=0) >= 49


@pytest.mark.parametrize("bootstrap", [True, False])
def test_a_short_horizon_swings_up_with_a_learned_value_and_without(bootstrap: bool) -> None:
    """Eight steps are 0.8 s: the way up from hanging takes about twice as long, and roll-outs begin all along it."""
    options = AnalyticGradientOptions(horizon=8, bootstrap=bootstrap)
    policy = AnalyticGradient(Pendulum(), UPRIGHT, start_states, -TORQUE, TORQUE, options, seed=0).learn()
    assert successes(PolicyController(policy), episodes=50, steps=200, seed=0) >= 49


def test_cem_inside_the_model_swings_up() -> None:
    planner = CEM(-TORQUE, TORQUE)
    assert successes(PlannerController(planner, Pendulum(), UPRIGHT), episodes=10, steps=90, seed=0) >= 9
