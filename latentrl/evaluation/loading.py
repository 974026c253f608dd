"""An agent for one's own control loop, in one call: the run's model, a goal, and who chooses the actions.

No environment is made, and no data read but for a goal that was recorded in it. `LatentAgent` itself cannot load: it
knows neither goals nor run folders, which stand on floors above its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.agents.bounds import ActionBounds
from latentrl.agents.horizon import horizon_steps
from latentrl.agents.observing import Expected
from latentrl.agents.planners import PLANNERS, make_planner
from latentrl.agents.policies import Policy
from latentrl.envs import TASKS, tasks_in
from latentrl.evaluation.agents_by_name import Bounded, goal_learned_for, stored_policy, suits
from latentrl.evaluation.trials import task_of
from latentrl.goals.distances import DISTANCES, EUCLID, check_distance
from latentrl.goals.doubts import doubts, doubts_of, listed
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.goals.picture import ObservedGoals
from latentrl.models.base import WorldModel
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.runs.folder import goal_beside, goal_of, load_model, load_settings, without_goal
from latentrl.runs.reach import Limits, kept_reach
from latentrl.shipped.copies import readable
from latentrl.support.devices import usable_device
from latentrl.support.errors import UserError

GoalLike = str | Path | float | NDArray[Any]
FAR = 1.0
"""Of what a reading reaches over in the data, that one which an agent is given may lie beyond before it is told of."""


def load_agent(
    run: str | Path,
    goal: GoalLike | None = None,
    agent: str = "cem",
    *,
    policy: str = "policy",
    action_limit: float | None = None,
    horizon: int | str | None = None,
    distance: str = EUCLID,
    device: torch.device | str = "cpu",
    seed: int = 0,
    data: str | Path | None = None,
) -> LatentAgent:
    """The agent that acts in a run's model, ready for the first observation of an episode.

        agent = load_agent("runs/mine", goal="goal.png", agent="cem")
        action = agent.act(frame)           # [*shape] -> [Du]; or [N, *shape] -> [N, Du]
        agent.reset()                       # a new episode

    Args:
        run: the run folder of a trained model, or ``zoo:NAME`` for one that comes with the package.
        goal: a picture's or readings' file, the text of ``--goal``, an observation ``[*shape]`` (or a number, where a
            single reading is observed), or one for each of N parallel episodes, ``[N, *shape]``. None: what came with
            the run's data; a policy has learned its own.
        agent: a planner's name, ``policy`` or ``random``.
        policy: which of the run's policies, for the agent ``policy``.
        action_limit: the largest action to both sides, in the environment's units. None: the run's own bounds, or the
            policy's.
        horizon: how far a planner looks ahead: steps, or seconds as ``"1.5s"``. None: its own.
        distance: how far a position is from the goal, for planners: ``"euclid"``, a straight line in the latent space,
            ``"geodesic"``, the shortest way along the data, or ``"flat"``, that by one metric (docs/geometry.md).
        device: where the model goes; planners stay on the CPU.
        seed: of whatever the agent draws.
        data: the run's data folder, for a goal that came with it or was recorded in it, if it is no longer where the
            training found it.

    Raises:
        UserError: no such run, agent or policy, a goal that does not fit the model or the policy, a bad number.
    """
    folder = readable(run)
    settings = load_settings(folder)
    if data is not None:
        # Data that is named brings its own goal.
        goal = goal_beside(Path(data)) if goal is None and agent in PLANNERS else goal
        settings = {**settings, "options": {**(settings.get("options") or {}), "data": str(data)}}
    on = _device(device, agent)
    ahead = None if horizon is None else horizon_steps(horizon, settings.get("data") or {})
    if ahead is not None and agent not in PLANNERS:
        raise UserError(f"horizon {horizon}: only planners look ahead as they act; leave it out for agent {agent!r}")
    if check_distance(distance) != EUCLID and agent not in PLANNERS:
        raise UserError(f"distance {distance}: only planners measure it as they act; leave it out for agent {agent!r}")
    model = load_model(folder, settings=settings).requires_grad_(False)
    told: Sequence[str] = ()
    controller: Controller
    if agent == "policy":
        told, controller = _policy(folder, settings, model, policy, goal, action_limit, on)
    elif agent == "random":
        bounds = ActionBounds.of(settings.get("data") or {}, model.spec.action_size, action_limit)
        controller = RandomController(bounds.low, bounds.high)
    elif agent in PLANNERS:
        told, reward = _reward(folder, settings, model, goal, distance)
        bounds = _bounds(settings, model, reward, goal, action_limit)
        controller = PlannerController(make_planner(agent, bounds.low, bounds.high, ahead), model.frozen(), reward)
    else:
        raise UserError(f"agent {agent!r}: choose one of policy, random, {', '.join(PLANNERS)}")
    reach = kept_reach(settings)
    made = LatentAgent(model.to(on), controller, on, None if reach is None else _FarOff(reach.with_room(FAR)))
    made.reset(seed)
    for one in told:
        # As Python warns, of the line that gave the goal: here nobody reads what is printed.
        warnings.warn(one, UserWarning, stacklevel=2)
    return made


@dataclass(frozen=True)
class _FarOff:
    """Says that readings lie beyond ``limits``; a class, so that an agent can be pickled."""

    limits: Limits

    def __call__(self, readings: NDArray[Any]) -> str | None:
        far = self.limits.outside(readings)
        if not far:
            return None
        return f"observation: is far beyond all that the model was trained on: {listed(far)} (said once)"


def _device(device: torch.device | str, agent: str) -> torch.device:
    found = usable_device(device)
    if found.type != "cpu" and agent != "policy":
        raise UserError(f"device {device}: only a policy acts there; leave device out for agent {agent!r}")
    return found


def _reward(
    folder: Path, settings: dict[str, Any], model: WorldModel, goal: GoalLike | None, distance: str = EUCLID
) -> tuple[Sequence[str], PositionReward | VelocityReward]:
    """What is to be said of the goal (:mod:`latentrl.goals.doubts`), and the reward for it."""
    found = (settings.get("options") or {}).get("data")
    data = None if found is None else Path(found)
    if goal is None:
        goal = _goal_of_data(folder, settings)
    if isinstance(goal, str | Path):
        meant = parse_goal(str(goal))
        return doubts(meant, model, folder, data, settings), goal_reward(meant, model, folder, data, distance)
    told, position = _position(model, goal, folder, settings)
    return told, PositionReward(position, distance=DISTANCES[distance](position, model, folder, data))


def _goal_of_data(folder: Path, settings: dict[str, Any]) -> Path:
    data = (settings.get("options") or {}).get("data")
    found = goal_of(folder, None if data is None else Path(data))
    if found is None:
        raise UserError(
            f"goal: {without_goal(None if data is None else Path(data))}; give a picture, readings or an observation"
        )
    return found


@torch.no_grad()
def _position(
    model: WorldModel, goal: float | NDArray[Any], run: Path, settings: Mapping[str, Any]
) -> tuple[Sequence[str], Tensor]:
    """What is to be said of an observation, and the position ``[Da]`` in it; or ``[N, Da]`` in several."""
    expected = Expected.by(model)
    assert expected is not None
    try:
        alone = np.ndim(goal) == 0 and expected.shape == (1,)
        observations, single = expected.batch(np.reshape(goal, 1) if alone else goal)
        expected.check_numbers(observations, None)
    except UserError as error:
        raise UserError(f"goal: {str(error).removeprefix('observation: ')}") from error
    told = doubts_of(torch.as_tensor(np.array(observations)), model, run, "goal", settings)
    places = ObservedGoals(np.array(observations)).target(model, Path(), None)
    return told, places[0] if single else places


def _bounds(
    settings: dict[str, Any],
    model: WorldModel,
    reward: PositionReward | VelocityReward,
    goal: GoalLike | None,
    limit: float | None,
) -> ActionBounds:
    """The actions of a planner: those given, those of the task that the goal is meant for, or those recorded.

    What is not given is not beyond what the model trusts itself with.
    """
    trusted = model.largest_actions if limit is None else None
    recorded = settings.get("data") or {}
    own = {name: TASKS[name] for name in tasks_in(str(recorded.get("env_id")).rpartition(":")[2])}
    if limit is None and isinstance(reward, VelocityReward) and own:
        limit = own[task_of(parse_goal(str(goal)), own)].torque
    return ActionBounds.of(recorded, model.spec.action_size, limit).up_to(trusted)


def _policy(
    folder: Path,
    settings: dict[str, Any],
    model: WorldModel,
    name: str,
    goal: GoalLike | None,
    limit: float | None,
    device: torch.device,
) -> tuple[Sequence[str], PolicyController]:
    """A policy's controller, and what is to be said of the goal that it is told, if it is told one."""
    policy, notes = stored_policy(folder, name)
    if isinstance(policy, torch.nn.Module):
        policy.to(device)
    asked: Policy | Bounded = policy
    if limit is not None:
        bounds = ActionBounds.of(settings.get("data") or {}, model.spec.action_size, limit)
        asked = Bounded(policy, ActionBounds(bounds.low.to(device), bounds.high.to(device)))
    if not policy.goal_size:
        if goal is not None:
            _check_learned_for(folder, settings, model, goal, name, notes)
        return (), PolicyController(asked)
    told, reward = _reward(folder, settings, model, goal)
    if isinstance(reward, VelocityReward):
        raise UserError(f"goal {goal}: policy {name!r} reaches positions; give a picture or readings of one")
    return told, PolicyController(asked, reward.goal.to(device))


def _check_learned_for(
    folder: Path, settings: dict[str, Any], model: WorldModel, goal: GoalLike, name: str, notes: dict[str, Any]
) -> None:
    """A policy for one goal reaches no other: refuse a goal that is not, in latent units, its own."""
    if "target" in notes:
        asked = _reward(folder, settings, model, goal)[1].goal
        own = torch.tensor(notes["target"], dtype=asked.dtype)
        if own.shape == asked.shape and torch.allclose(own, asked, rtol=1e-4, atol=1e-4):
            return
    elif isinstance(goal, str | Path) and suits(goal_learned_for(notes), parse_goal(str(goal))):
        return
    given = goal if isinstance(goal, str | Path) else "an observation"
    raise UserError(
        f"goal {given}: policy {name!r} was learned for {notes.get('goal')} and reaches nothing else; leave the goal "
        "out, learn a policy for it with latentrl learn --goal, or take a planner"
    )
