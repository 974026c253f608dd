"""Agents by name, made for one task: what is judged, and the references below and above."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import Policy, load_policy, policy_path
from latentrl.goals.base import Goal
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.goals.picture import PictureGoal
from latentrl.models.base import WorldModel
from latentrl.support.errors import UserError
from latentrl.support.files import read_json
from latentrl.types import Belief

AGENTS = ("policy", "random", *PLANNERS)


def latent_agent(
    name: str, model: WorldModel, goal: Goal, run: Path, torque: float, data: Path | None, policy: str = "policy"
) -> LatentAgent:
    """An agent that sees observations alone and acts inside ``model``.

    Args:
        name: one of `AGENTS`.
        model: the run's model.
        goal: what a planner plans for, and what a policy for any goal is told; other policies have learned their own,
            and chance has none.
        run: the run folder.
        torque: largest action, in the environment's units.
        data: the data folder for recorded goals.
        policy: which of the run's learned policies.

    Raises:
        UserError: no such agent or policy, or an unsuitable goal.
    """
    if name not in AGENTS:
        raise UserError(f"--agent {name}: choose one of {', '.join(AGENTS)}")
    bound = torch.full((model.spec.action_size,), torque)
    controller: Controller
    if name == "random":
        controller = RandomController(-bound, bound)
    elif name == "policy":
        controller = _policy_controller(run, policy, goal, model, bound, data)
    else:
        controller = PlannerController(
            PLANNERS[name](-bound, bound), model.frozen(), goal_reward(goal, model, run, data)
        )
    return LatentAgent(model, controller)


def policies_for(run: Path, goal: Goal) -> list[str]:
    """Names of the run's policies that were learned for such a goal, sorted."""
    return [name for name in _policies(run) if suits(policy_settings(run, name), goal)]


def policy_settings(run: Path, name: str) -> dict[str, Any]:
    """What was noted of a policy when it was learned.

    Raises:
        UserError: the run holds no such policy.
    """
    weights = policy_path(run, name)
    if not weights.is_file():
        known = f"; it holds {', '.join(_policies(run))}" if _policies(run) else ""
        raise UserError(f"--run {run}: holds no policy {name!r}{known}; learn one: latentrl learn --run {run}")
    return read_json(weights.with_suffix(".json"), "learn the policy again").get("settings", {})


def suits(settings: Mapping[str, Any], goal: Goal) -> bool:
    """Whether a policy with these settings was learned for ``goal``: both for a position, or for the same velocity.

    Positions count as one, for a picture may have moved; several at once, or any, take a policy for any goal. A policy
    with no goal in words is from before there were goals other than pictures.
    """
    text = settings.get("goal")
    own = parse_goal(text) if isinstance(text, str) else PictureGoal(Path())
    if not goal.is_single:
        return not own.is_single
    return own == goal or (own.is_position and goal.is_position)


def _policies(run: Path) -> list[str]:
    return [path.stem for path in sorted(run.glob("policy*.safetensors")) if path.with_suffix(".json").is_file()]


def _policy_controller(
    run: Path, name: str, goal: Goal, model: WorldModel, bound: Tensor, data: Path | None
) -> PolicyController:
    policy = _policy(run, name)

    def bounded(belief: Belief) -> Tensor:
        # A policy may have been learned with more torque than it is given here.
        return policy(belief).clamp(-bound, bound)

    return PolicyController(bounded, goal_reward(goal, model, run, data).goal if policy.goal_size else None)


def _policy(run: Path, name: str) -> Policy:
    policy_settings(run, name)
    try:
        return load_policy(run, name)
    except (ValueError, ImportError) as error:
        raise UserError(f"--policy {name}: {error}") from error
