"""Upper baselines: agents that act on ground truth, from what an environment says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from latentrl.agents import Controller, PlannerController
from latentrl.agents.planners import PLANNERS, make_planner
from latentrl.envs import environment_named
from latentrl.envs.description import Environment, TruePhysics, TruthAgent
from latentrl.envs.measures import Floats
from latentrl.envs.tasks import Task
from latentrl.evaluation.setting import Setting
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.support.errors import UserError
from latentrl.types import Belief

ORACLE = "oracle"
"""The agent that acts on the true state and goal: the upper baseline where an environment has a servo."""


@dataclass(frozen=True)
class Reference:
    """Agents that act on the ground truth of a setting."""

    setting: Setting

    def agent(self, index: int | None = None) -> TruthAgent:
        """A new agent for all episodes, or for one of them: the oracle, or a planner on the true physics.

        Raises:
            UserError: the environment has no such reference, or the goal is not known in its terms.
        """
        if self.setting.trial.agent == ORACLE:
            return servo(self.setting, index)
        return planner_on_true_physics(self.setting)

    def doubts(self) -> list[str]:
        """The environment's: no model reads the goal."""
        return list(self.setting.run.surroundings.doubts)


def plans_on_true_physics(environment: Environment | None, task: Task) -> bool:
    """Whether a planner on the true physics can take part in ``task``: it needs a goal in their coordinates."""
    told = task.true_position is not None or task.target_of is not None
    return told and environment is not None and environment.true_physics is not None


def has_servo(environment: Environment | None, task: Task) -> bool:
    """Whether a servo can take part in ``task``: it needs the true goal pose of every episode."""
    return task.draw is not None and environment is not None and environment.servo is not None


def planner_on_true_physics(setting: Setting) -> OracleAgent:
    """A planner on the true physics and the true state, rewarded alike: for a position, or for a target speed.

    Raises:
        UserError: no such planner, or an environment whose true physics are not known here.
    """
    name, task = setting.trial.agent, setting.task
    if name not in PLANNERS:
        raise UserError(f"--agent {name} --physics true: only planners can, {', '.join(PLANNERS)}")
    environment = environment_named(task.env_id)
    if environment is None or environment.true_physics is None:
        raise UserError(f"--physics true: the physics of {task.env_id} are not known here; leave it out")
    physics = environment.true_physics(task.control_step)
    reward: PositionReward | VelocityReward
    if setting.target is not None:
        reward = VelocityReward(torch.tensor([setting.target]), physics.position_size)
    elif task.true_position is not None:
        reward = PositionReward(torch.tensor(task.true_position))
    else:
        raise UserError("--physics true: the task says no goal in the coordinates of the true physics; leave it out")
    bound = setting.bounds(setting.run.action_size).high
    planner = make_planner(name, -bound, bound, setting.trial.horizon)
    return OracleAgent(PlannerController(planner, physics, reward), physics)


def servo(setting: Setting, index: int | None = None) -> TruthAgent:
    """An agent that acts on the true state, for the true goal pose of each episode, or of one of them.

    Raises:
        UserError: an environment for which there is none, or goals whose true poses are not known.
    """
    environment = environment_named(setting.task.env_id)
    if environment is None or environment.servo is None:
        raise UserError(f"--agent {ORACLE}: does not know {setting.task.env_id}; give a planner and --physics true")
    episodes = setting.own_goals
    if episodes is None:
        raise UserError(f"--agent {ORACLE}: a picture does not tell the true goal pose; leave --goal out")
    return environment.servo((episodes if index is None else episodes.only(index)).goals, _bound(setting))


def _bound(setting: Setting) -> float:
    if setting.bound is None:
        raise UserError(f"--agent {ORACLE}: needs one largest action; give it with --action-limit")
    return setting.bound


class OracleAgent:
    """Acts on the true state instead of observations; implements `latentrl.envs.description.TruthAgent`.

    Args:
        controller: acts on a belief with zero covariance over the states of ``physics``.
        physics: knows the state that ground truth stands for.
    """

    controller: Controller
    physics: TruePhysics

    def __init__(self, controller: Controller, physics: TruePhysics) -> None:
        self.controller, self.physics = controller, physics

    def reset(self, seed: int | None = None) -> None:
        """New episodes begin; ``seed`` reaches the controller's own randomness."""
        self.controller.reset(seed)

    @torch.inference_mode()
    def act_on_truth(self, truth: Mapping[str, Floats]) -> NDArray[np.float32]:
        """Actions ``[N, Du]`` for the task's ground truth, each entry ``[N, ...]``."""
        mean = self.physics.state(truth)
        belief = Belief(mean, mean.new_zeros(*mean.shape, mean.shape[-1]))
        return self.controller(belief).numpy().astype(np.float32)
