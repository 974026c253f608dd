"""References above: agents that are told the truth, from what an environment says of itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from latentrl.agents import Controller, PlannerController
from latentrl.agents.planners import PLANNERS
from latentrl.envs import environment_named
from latentrl.envs.description import TruePhysics, TruthAgent
from latentrl.envs.episodes import Episodes
from latentrl.envs.tasks import Task
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.support.errors import UserError
from latentrl.types import Belief

ORACLE = "oracle"
"""An agent that is told state and goal, where an environment has a servo: the reference above where no planner is
one."""


def oracle_agent(name: str, task: Task, torque: float, target: float | None) -> TruthAgent:
    """A planner on the true physics and the true state, rewarded alike: for a position, or for the speed ``target``.

    Raises:
        UserError: no such planner, or an environment whose true physics are not known here.
    """
    if name not in PLANNERS:
        raise UserError(f"--agent {name} --physics true: only planners can, {', '.join(PLANNERS)}")
    environment = environment_named(task.env_id)
    if environment is None or environment.true_physics is None:
        raise UserError(f"--physics true: the physics of {task.env_id} are not known here; leave it out")
    physics = environment.true_physics()
    bound = torch.tensor([torque])
    reward: PositionReward | VelocityReward
    if target is not None:
        reward = VelocityReward(torch.tensor([target]), physics.position_size)
    elif task.true_position is not None:
        reward = PositionReward(torch.tensor(task.true_position))
    else:
        raise UserError("--physics true: the task says no goal in the coordinates of the true physics; leave it out")
    return OracleAgent(PlannerController(PLANNERS[name](-bound, bound), physics, reward), physics)


def servo_agent(task: Task, torque: float, drawn: Episodes | None) -> TruthAgent:
    """An agent that is told the true state and the true goal pose of each episode.

    Raises:
        UserError: an environment for which there is none, or goals whose true poses are not known (``drawn`` is None).
    """
    environment = environment_named(task.env_id)
    if environment is None or environment.servo is None:
        raise UserError(f"--agent {ORACLE}: does not know {task.env_id}; give a planner and --physics true")
    if drawn is None:
        raise UserError(f"--agent {ORACLE}: a picture does not tell the true goal pose; leave --goal out")
    return environment.servo(drawn.goals, torque)


class OracleAgent:
    """Acts on the true state instead of observations; implements `latentrl.envs.description.TruthAgent`.

    Args:
        controller: what to do, given a belief without doubt over states of ``physics``.
        physics: says which state the truth is.
    """

    def __init__(self, controller: Controller, physics: TruePhysics) -> None:
        self.controller, self.physics = controller, physics

    def reset(self, seed: int | None = None) -> None:
        """New episodes begin; ``seed`` reaches the controller's own randomness."""
        self.controller.reset(seed)

    @torch.inference_mode()
    def act_on_truth(self, truth: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
        """Actions ``[N, Du]`` for ground truth, each entry ``[N]`` or ``[N, D]``."""
        mean = self.physics.state(truth)
        belief = Belief(mean, mean.new_zeros(*mean.shape, mean.shape[-1]))
        return self.controller(belief).numpy().astype(np.float32)
