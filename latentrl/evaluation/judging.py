"""Judging: whoever takes part in a setting acts, and is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from PIL import Image

from latentrl.envs.measures import Floats, Outcome
from latentrl.evaluation.agents_by_name import Contestant, InModel
from latentrl.evaluation.beliefs import BeliefNotes
from latentrl.evaluation.nearness import Nearness
from latentrl.evaluation.protocol import Evaluation, Moment, Pictures, demonstrate, run_episodes
from latentrl.evaluation.setting import Setting
from latentrl.models.base import WorldModel
from latentrl.types import is_image_shape


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


def judge(
    setting: Setting,
    who: Contestant,
    on_act: Callable[[], object] | None = None,
    look: Callable[[Moment], object] | None = None,
) -> Judged:
    """Let the agent act in all episodes at once; ``on_act`` is called after each step, ``look`` between two.

    Raises:
        UserError: the agent cannot be made, or what the environment needs is not installed.
    """
    trial = setting.trial
    batch = run_episodes(
        who.agent(), setting.starting, setting.count, trial.seed, trial.losses, on_act, witness_of(setting, who), look
    )
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
    # Nobody is judged here, so nobody has to watch.
    task = replace(task, steps=min(task.steps, steps or task.steps), truth=() if task.near else task.truth)
    agent = who.agent(0)
    notes = BeliefNotes(agent, model)
    if film:
        goal = goal_picture(setting, model)

        def shown() -> Pictures:
            return {**notes.note_and_show(), **goal}

        evaluation, frames = demonstrate(agent, task, shown, trial.seed, trial.losses)
        return Alone(evaluation, notes.deviations, frames)
    evaluation = run_episodes(agent, task, 1, trial.seed, trial.losses, notes.note)
    return Alone(evaluation, notes.deviations, [])


def witness_of(setting: Setting, who: Contestant) -> Nearness | None:
    """Who watches how near the agent comes to the goal; None where the task is judged by ground truth alone.

    Raises:
        UserError: an unsuitable goal.
    """
    if not setting.task.near or not isinstance(who, InModel):
        return None
    run, goal = setting.run, setting.goal
    observation = goal.observation(who.model, run.folder, run.data)
    return Nearness(who.model, who.reward().goal, goal.is_position, observation, run.folder)


def goal_picture(setting: Setting, model: WorldModel) -> Pictures:
    """The picture of the goal for a film, by its caption; none where there is none, or the task says where it is."""
    if not setting.task.near or not is_image_shape(model.spec.observation_shape):
        return {}
    seen = setting.goal.observation(model, setting.run.folder, setting.run.data)
    return {} if seen is None else {"goal": seen}
