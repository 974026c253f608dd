"""Agents by name, made for one setting: what is judged, and its lower and upper baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.agents.bounds import ActionBounds
from latentrl.agents.planners import PLANNERS, make_planner
from latentrl.agents.policies import Policy, policy_path
from latentrl.agents.policies.saving import read_policy
from latentrl.envs.description import TruthAgent
from latentrl.evaluation.oracles import ORACLE, Reference
from latentrl.evaluation.setting import Setting
from latentrl.goals.base import Goal
from latentrl.goals.distances import EUCLID
from latentrl.goals.doubts import doubts
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.goals.picture import PictureGoal
from latentrl.models.base import WorldModel
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.support.commands import command
from latentrl.support.errors import UserError
from latentrl.support.files import read_json
from latentrl.types import Agent, Belief


class Contestant(Protocol):
    """Who takes part in a setting."""

    def agent(self, index: int | None = None) -> Agent | TruthAgent:
        """A new agent for all episodes of the setting, or for one of them."""
        ...

    def doubts(self) -> list[str]:
        """Why the figures of who acts there may not count, in words."""
        ...


@dataclass(frozen=True)
class InModel:
    """Agents that see observations alone and act inside a model; what they need is read once.

    Attributes:
        setting: where they act, and what for; its trial's agent is one of `agents`.
        model: the run's model.
        policy: what a policy's agent asks; None for the others.
    """

    setting: Setting
    model: WorldModel
    policy: Policy | None = None

    def agent(self, index: int | None = None) -> LatentAgent:
        """A new agent for all episodes, or for one of them."""
        return LatentAgent(self.model, agents()[self.setting.trial.agent](self, index))

    @property
    def aims(self) -> bool:
        """Whether who acts is told the goal: every planner, and a policy for any goal."""
        return self.setting.trial.agent in PLANNERS or (self.policy is not None and bool(self.policy.goal_size))

    def doubts(self) -> list[str]:
        """The environment's, and :func:`latentrl.goals.doubts.doubts`; of who is told no goal nothing is said of it."""
        run = self.setting.run
        of_goal = doubts(self.setting.goal, self.model, run.folder, run.data, run.settings) if self.aims else ()
        return [*run.surroundings.doubts, *of_goal]

    @cached_property
    def bounds(self) -> ActionBounds:
        """The smallest and the largest action: where nobody said it, none that the model does not trust itself with."""
        bounds = self.setting.bounds(self.model.spec.action_size)
        return bounds if self.setting.trial.torque is not None else bounds.up_to(self.model.largest_actions)

    def reward(self, index: int | None = None) -> PositionReward | VelocityReward:
        """What all episodes, or one of them, are rewarded for."""
        if index is None or isinstance(self._reward, VelocityReward):
            return self._reward
        return self._reward.only(index)

    @cached_property
    def _reward(self) -> PositionReward | VelocityReward:
        run, distance = self.setting.run, self.setting.trial.distance or EUCLID
        return goal_reward(self.setting.goal, self.model, run.folder, run.data, distance)


def contestant(setting: Setting, model: WorldModel) -> Contestant:
    """Whoever the setting's trial names.

    Raises:
        UserError: no such agent or policy, or one that was not learned for the setting's goal.
    """
    trial = setting.trial
    if trial.agent == ORACLE or trial.physics == "true":
        return Reference(setting)
    if trial.agent not in agents():
        raise UserError(f"--agent {trial.agent}: choose one of {', '.join(agents())}")
    return InModel(setting, model, _suitable_policy(setting) if trial.agent == "policy" else None)


@dataclass(frozen=True)
class Bounded:
    """A policy within bounds: it may have been learned with larger actions than it is given here."""

    policy: Policy
    bounds: ActionBounds

    def __call__(self, belief: Belief) -> Tensor:
        """Actions ``[N, Du]`` for a belief over ``N`` states."""
        return self.bounds.clamp(self.policy(belief))


def _ask_policy(who: InModel, index: int | None) -> Controller:
    assert who.policy is not None
    goal = who.reward(index).goal if who.policy.goal_size else None
    return PolicyController(Bounded(who.policy, who.bounds), goal)


def _act_at_random(who: InModel, index: int | None) -> Controller:
    return RandomController(who.bounds.low, who.bounds.high)


def _plan(who: InModel, index: int | None) -> Controller:
    trial = who.setting.trial
    planner = make_planner(trial.agent, who.bounds.low, who.bounds.high, trial.horizon)
    return PlannerController(planner, who.model.frozen(), who.reward(index))


def agents() -> dict[str, Callable[[InModel, int | None], Controller]]:
    """By name: what acts on observations alone, every planner among them."""
    return {"policy": _ask_policy, "random": _act_at_random, **dict.fromkeys(PLANNERS, _plan)}


def goals_of_policies(run: Path) -> dict[str, Goal]:
    """What each of the run's policies was learned for, by name, sorted."""
    return {name: goal_learned_for(_read_notes(policy_path(run, name))) for name in _policies(run)}


def suits(own: Goal, goal: Goal) -> bool:
    """Whether a policy that was learned for ``own`` can be asked for ``goal``: both positions, or the same velocity.

    Positions count as one, for a picture may have moved; several at once, or any, take a policy for any goal.
    """
    if not goal.is_single:
        return not own.is_single
    return own == goal or (own.is_position and goal.is_position)


def _policies(run: Path) -> list[str]:
    return [path.stem for path in sorted(run.glob("policy*.safetensors")) if path.with_suffix(".json").is_file()]


def _read_notes(weights: Path) -> dict[str, Any]:
    return read_json(weights.with_suffix(".json"), "learn the policy again").get("settings", {})


def goal_learned_for(notes: dict[str, Any]) -> Goal:
    """What a policy was learned for, by its notes.

    A policy with no goal in words is from before there were goals other than pictures.
    """
    text = notes.get("goal")
    return parse_goal(text) if isinstance(text, str) else PictureGoal(Path())


def _suitable_policy(setting: Setting) -> Policy:
    trial, folder = setting.trial, setting.run.folder
    policy, notes = stored_policy(folder, trial.policy)
    own = notes.get("goal")
    if suits(goal_learned_for(notes), setting.goal):
        return policy
    if not setting.goal.is_single:
        raise UserError(
            f"--policy {trial.policy}: was learned for one goal, {own}, but in --task {trial.task} every episode has "
            f"its own; learn one: {command('learn', '--run', folder, '--goal', 'any')}, or give that one goal with "
            "--goal"
        )
    if not goal_learned_for(notes).is_single:
        raise UserError(
            f"--policy {trial.policy}: reaches any position, but the goal of --task {trial.task} is a velocity; "
            f"learn one for it: {command('learn', '--run', folder, '--goal', 'velocity:FRACTION')}"
        )
    raise UserError(
        f"--policy {trial.policy}: was learned for the goal {own}, which is not that of --task {trial.task}; "
        "give another --policy, or the goal of this one with --goal"
    )


def stored_policy(run: Path, name: str) -> tuple[Policy, dict[str, Any]]:
    """One of the run's policies, and what was noted when it was learned.

    Raises:
        UserError: there is none of that name, or it is damaged.
    """
    if not policy_path(run, name).is_file():
        known = ", ".join(_policies(run))
        holds = f"; it holds {known}" if known else ""
        raise UserError(f"--run {run}: holds no policy {name!r}{holds}; learn one: {command('learn', '--run', run)}")
    try:
        return read_policy(run, name)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} does not exist: learn the policy again") from error
    except (ValueError, ImportError) as error:
        raise UserError(f"--policy {name}: {error}") from error
