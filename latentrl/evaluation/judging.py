"""Judging: a trial from the run folder to figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from latentrl.agents import LatentAgent
from latentrl.envs.description import TruthAgent
from latentrl.envs.episodes import Episodes
from latentrl.envs.measures import Floats, Outcome
from latentrl.envs.tasks import Task
from latentrl.evaluation.agents_by_name import latent_agent, policy_settings, suits
from latentrl.evaluation.film import film_goals
from latentrl.evaluation.oracles import ORACLE, oracle_agent, servo_agent
from latentrl.evaluation.protocol import Pictures, demonstrate, photographs, run_episodes
from latentrl.evaluation.setting import episodes_of, goal_of, target_of, task_for
from latentrl.evaluation.summary import _summary
from latentrl.evaluation.trials import Trial
from latentrl.figures.belief import deviations
from latentrl.goals.base import Goal
from latentrl.goals.picture import ObservedGoals
from latentrl.models.base import WorldModel
from latentrl.runs.folder import load_settings
from latentrl.support.errors import UserError
from latentrl.types import Agent


class Report(NamedTuple):
    """What a trial yields.

    ``summary`` holds JSON values. The rest is about one more episode, alone in its batch: ``frames`` of a film, if one
    was asked for; the belief's standard deviations ``[T]`` by name, none for an agent without belief; and which
    frames ``arrived [T]``.
    """

    summary: dict[str, Any]
    frames: list[Image.Image]
    deviation: dict[str, Floats]
    arrived: NDArray[np.bool_]


def run_trial(
    trial: Trial,
    model: WorldModel,
    run: Path,
    data: Path | None = None,
    film: bool = False,
    single_steps: int | None = None,
    on_act: Callable[[], object] | None = None,
) -> Report:
    """Let the agent act, batched, and then once more alone, for the rate of a single control loop.

    Args:
        trial: who does what.
        model: the run's model.
        run: the run folder.
        data: the run's data folder, if it is no longer where the training found it; read only where the task or the
            goal needs it.
        film: make frames of the single episode.
        single_steps: cut the single episode short.
        on_act: called after each step of the batched episodes.

    Raises:
        UserError: the run does not fit the task, no such policy, an unsuitable goal, data that is needed and missing.
    """
    task = task_for(trial, run)
    folder = data or Path(load_settings(run)["options"]["data"])
    torque, episodes = _torque(trial, task), trial.episodes or task.episodes
    if task.torque_limit is not None:
        task = task.with_env(**{task.torque_limit: torque})
    drawn = episodes_of(trial, task, run, folder)
    # Of a goal that the user gives there is a picture and no true pose.
    known = None if drawn is None or trial.goal is not None else _observed(drawn, task, trial.seed)
    goal = goal_of(trial, task, folder, known)
    target = target_of(goal, task, folder)

    def agent_for(goal: Goal, known: Episodes | None) -> Agent | TruthAgent:
        if trial.agent == ORACLE:
            return servo_agent(task, torque, known)
        if trial.physics == "true":
            return oracle_agent(trial.agent, task, torque, target)
        _check_policy(trial, run, goal)
        return latent_agent(trial.agent, model, goal, run, torque, folder, trial.policy)

    agent = agent_for(goal, known)
    batch = run_episodes(agent, _starting(task, drawn), episodes, trial.seed, trial.losses, on_act)
    if drawn is not None and known is None:
        unknown = task.measure_unknown
        outcome = unknown(batch.truth, task.control_step, None) if unknown else Outcome(None, {})
    else:
        outcome = task.measure(batch.truth | ({"goal": known.goals} if known else {}), task.control_step, target)
    covariances: list[Tensor] = []
    pictures = len(model.spec.observation_shape) == 3

    def believed(agent: Agent | TruthAgent) -> Pictures:
        if not pictures or not isinstance(agent, LatentAgent):
            return {}
        return {"believed": believed_picture(model, agent.belief.mean)}

    def noted() -> Pictures:
        if isinstance(agent, LatentAgent):
            covariances.append(agent.belief.covariance[0])
        return believed(agent)

    def for_one(episode: Episodes) -> Agent | TruthAgent:
        return agent_for(goal_of(trial, task, folder, episode), episode)

    alone = replace(task, steps=min(task.steps, single_steps or task.steps))
    if drawn is not None:
        alone = _starting(alone, drawn.only(0))
    if known is not None:
        agent = for_one(known.only(0))
    frames: list[Image.Image] = []
    if film and known is None:
        single, frames = demonstrate(agent, alone, noted, trial.seed, trial.losses)
    else:
        single = run_episodes(agent, alone, 1, trial.seed, trial.losses, noted)
    if film and known is not None:
        frames = film_goals(for_one, task, known, believed, trial.seed, trial.losses)
    deviation = deviations(torch.stack(covariances).double().numpy(), model.position_size) if covariances else {}
    summary = _summary(trial, task, outcome, target, batch, single)
    return Report(summary, frames, deviation, single.arrived[:, 0])


@torch.no_grad()
def believed_picture(model: WorldModel, state: Tensor) -> NDArray[np.uint8]:
    """The picture ``[H, W, C]`` uint8 that the model decodes from the first of the states ``[N, Dz]``."""
    picture = model.emission(state[:1].float()).mean[0]
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def _torque(trial: Trial, task: Task) -> float:
    torque = trial.torque or task.torque
    if task.torque_limit is None and torque > 1.0:
        raise UserError(f"--torque {torque:g}: {task.env_id} takes at most 1, all that its motors give")
    return torque


def _observed(drawn: Episodes, task: Task, seed: int) -> Episodes:
    if drawn.observations is not None:
        return drawn
    return replace(drawn, observations=photographs(task, drawn.goals, seed))


def _starting(task: Task, drawn: Episodes | None) -> Task:
    return task if drawn is None else replace(task, reset_options={**task.reset_options, **drawn.starts})


def _check_policy(trial: Trial, run: Path, goal: Goal) -> None:
    if trial.agent != "policy":
        return
    settings = policy_settings(run, trial.policy)
    own = settings.get("goal")
    if suits(settings, goal):
        return
    if isinstance(goal, ObservedGoals):
        raise UserError(
            f"--policy {trial.policy}: was learned for one goal, {own}, but in --task {trial.task} every episode has "
            f"its own; learn one: latentrl learn --run {run} --goal any, or give that one goal with --goal"
        )
    if own == "any":
        raise UserError(
            f"--policy {trial.policy}: reaches any position, but the goal of --task {trial.task} is a velocity; "
            f"learn one for it: latentrl learn --run {run} --goal velocity:FRACTION"
        )
    raise UserError(
        f"--policy {trial.policy}: was learned for the goal {own}, which is not that of --task {trial.task}; "
        "give another --policy, or the goal of this one with --goal"
    )
