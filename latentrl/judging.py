"""Judging: a trial from the run folder to figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from latentrl.agents import LatentAgent
from latentrl.belief_figure import deviations
from latentrl.contestants import latent_agent, oracle_agent, policy_settings, suits
from latentrl.errors import UserError
from latentrl.evaluation import Pictures, TruthAgent, demonstrate, run_episodes
from latentrl.goals import Goal
from latentrl.measures import Floats, control_rate, wilson_interval
from latentrl.models.base import WorldModel
from latentrl.runs import load_settings
from latentrl.trials import Trial, goal_of, target_of, task_for
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
    goal = goal_of(trial, task, folder)
    target = target_of(goal, task, folder)
    torque, episodes = trial.torque or task.torque, trial.episodes or task.episodes
    task = task.with_env(torque_limit=torque)
    agent: Agent | TruthAgent
    if trial.physics == "true":
        agent = oracle_agent(trial.agent, task, torque, target)
    else:
        _check_policy(trial, run, goal)
        agent = latent_agent(trial.agent, model, goal, run, torque, folder, trial.policy)
    batch = run_episodes(agent, task, episodes, trial.seed, trial.losses, on_act)
    outcome = task.measure(batch.truth, task.control_step, target)
    successes = int(outcome.success.sum())
    covariances: list[Tensor] = []

    def believed() -> Pictures:
        if not isinstance(agent, LatentAgent):
            return {}
        covariances.append(agent.belief.covariance[0])
        return (
            {"believed": believed_picture(model, agent.belief.mean)} if len(model.spec.observation_shape) == 3 else {}
        )

    alone = replace(task, steps=min(task.steps, single_steps or task.steps))
    frames: list[Image.Image] = []
    if film:
        single, frames = demonstrate(agent, alone, believed, trial.seed, trial.losses)
    else:
        single = run_episodes(agent, alone, 1, trial.seed, trial.losses, believed)
    summary = {
        "agent": trial.contestant,
        "task": trial.task,
        "description": task.description,
        "episodes": episodes,
        "successes": successes,
        "success_rate": successes / episodes,
        "wilson_95": list(wilson_interval(successes, episodes)),
        "success": outcome.success.tolist(),
        "measures": {name: _described(values) for name, values in outcome.figures.items()},
        "target": target,
        "frames_lost": float(1 - batch.arrived.mean()),
        "control_rate": control_rate(single.seconds),
        "batch_control_rate": control_rate(batch.seconds),
        "trial": asdict(trial),
    }
    deviation = deviations(torch.stack(covariances).double().numpy(), model.position_size) if covariances else {}
    return Report(summary, frames, deviation, single.arrived[:, 0])


@torch.no_grad()
def believed_picture(model: WorldModel, state: Tensor) -> NDArray[np.uint8]:
    """The picture ``[H, W, C]`` uint8 that the model decodes from the first of the states ``[N, Dz]``."""
    picture = model.emission(state[:1].float()).mean[0]
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def _check_policy(trial: Trial, run: Path, goal: Goal) -> None:
    if trial.agent == "policy":
        settings = policy_settings(run, trial.policy)
        if not suits(settings, goal):
            raise UserError(
                f"--policy {trial.policy}: was learned for the goal {settings.get('goal')}, which "
                f"is not that of --task {trial.task}; give another --policy, or the goal of this one with --goal"
            )


def _described(values: Floats) -> dict[str, Any]:
    """Median and all values of a figure; null in place of an infinite one, which JSON does not know."""
    return {"median": _finite(np.median(values)), "per_episode": [_finite(value) for value in values]}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
