"""Judging: whoever takes part in a setting acts, and is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from PIL import Image

from latentrl.envs.measures import Floats, Outcome
from latentrl.evaluation.agents_by_name import Contestant
from latentrl.evaluation.beliefs import BeliefNotes
from latentrl.evaluation.protocol import Evaluation, demonstrate, run_episodes
from latentrl.evaluation.setting import Setting
from latentrl.models.base import WorldModel


class Judged(NamedTuple):
    """What happened in all episodes of a setting, and what the task's measure says of it."""

    evaluation: Evaluation
    outcome: Outcome


class Alone(NamedTuple):
    """One more episode, alone in its batch.

    ``deviation`` holds the belief's standard deviations ``[T]`` by name, none for an agent without belief; ``frames``
    those of a film, if one was asked for.
    """

    evaluation: Evaluation
    deviation: dict[str, Floats]
    frames: list[Image.Image]


def judge(setting: Setting, who: Contestant, on_act: Callable[[], object] | None = None) -> Judged:
    """Let the agent act in all episodes at once; ``on_act`` is called after each step.

    Raises:
        UserError: the agent cannot be made, or what the environment needs is not installed.
    """
    trial = setting.trial
    batch = run_episodes(who.agent(), setting.starting, setting.count, trial.seed, trial.losses, on_act)
    return Judged(batch, setting.outcome(batch.truth))


def time_alone(
    setting: Setting, who: Contestant, model: WorldModel, steps: int | None = None, film: bool = False
) -> Alone:
    """Let the agent act once more in the first of the episodes, for the rate of a single control loop.

    Args:
        setting: where.
        who: acts.
        model: the one that it acts in.
        steps: cut the episode short.
        film: make frames of it.

    Raises:
        UserError: as :func:`judge`.
    """
    trial, task = setting.trial, setting.only(0).starting
    task = replace(task, steps=min(task.steps, steps or task.steps))
    agent = who.agent(0)
    notes = BeliefNotes(agent, model)
    if film:
        evaluation, frames = demonstrate(agent, task, notes.note_and_show, trial.seed, trial.losses)
        return Alone(evaluation, notes.deviations, frames)
    evaluation = run_episodes(agent, task, 1, trial.seed, trial.losses, notes.note)
    return Alone(evaluation, notes.deviations, [])
