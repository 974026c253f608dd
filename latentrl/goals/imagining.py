"""What a goal makes of a model: the problem that is learned in the imagination."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from latentrl.agents.goal_conditioning import GoalConditioned
from latentrl.agents.imagination import PolicyInput, StartStates
from latentrl.goals.base import Goal
from latentrl.goals.distances import EUCLID
from latentrl.goals.parsing import goal_reward
from latentrl.models.base import WorldModel
from latentrl.rewards.carried_goal import CarriedGoalReward
from latentrl.support.errors import UserError
from latentrl.types import Dynamics, Reward


class Problem(NamedTuple):
    """What is imagined, and what for.

    Attributes:
        dynamics: the model, as far as it is needed; one whose states carry goals where the goal is any.
        start_states: where episodes begin.
        reward: of its states.
        target: the goal in latent units; None for any.
    """

    dynamics: Dynamics
    start_states: StartStates
    reward: Reward
    target: list[float] | None


def problem_of(
    goal: Goal,
    model: WorldModel,
    run: Path,
    sees: PolicyInput = "mean",
    distance: str = EUCLID,
    data: Path | None = None,
) -> Problem:
    """The problem of reaching ``goal`` in ``model``.

    Args:
        goal: from `parse_goal`.
        model: the run's model.
        run: its run folder.
        sees: what of a belief the policy sees.
        distance: of positions, one of `DISTANCES`.
        data: the data folder that recorded goals are taken from; the one that the run was trained on if None.

    Raises:
        UserError: as `goal_reward`; a distance to one goal where the goal is any.
    """
    if not goal.is_single:
        if distance != EUCLID:
            raise UserError(
                f"--distance {distance}: is measured to one goal, but --goal any stands for every position; leave it "
                "out, or give one goal"
            )
        return Problem(*imagined_by(model, goal, sees), CarriedGoalReward(model.position_size), None)
    reward = goal_reward(goal, model, run, data, distance)
    return Problem(*imagined_by(model, goal, sees), reward, reward.goal.tolist())


def imagined_by(model: WorldModel, goal: Goal, sees: PolicyInput = "mean") -> tuple[Dynamics, StartStates]:
    """What is imagined of ``model`` on the way to ``goal``, by who sees so much, and where episodes begin."""
    if not goal.is_single:
        carrying = GoalConditioned(model, model.initial_states, model.position_size, model.frozen())
        return carrying, carrying.initial_states
    # Beliefs are the whole model's affair; states need its transition alone.
    return (model if sees == "belief" else model.frozen()), model.initial_states
