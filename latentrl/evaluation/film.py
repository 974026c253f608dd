"""Films of an agent that reaches one pictured goal after another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentrl.envs.description import TruthAgent
from latentrl.envs.episodes import Episodes
from latentrl.envs.measures import Floats
from latentrl.evaluation.agents_by_name import Contestant
from latentrl.evaluation.beliefs import believed
from latentrl.evaluation.protocol import Pictures, demonstrate, pictures_of_goals, render_poses
from latentrl.evaluation.setting import Setting
from latentrl.figures.video import one_palette
from latentrl.models.base import WorldModel
from latentrl.types import Agent

GOALS = 4
STEPS = 75
"""For each goal at most: time to arrive and to be seen staying there, 3 s at a control step of 0.04 s."""


def film_goals(setting: Setting, who: Contestant, model: WorldModel) -> list[Image.Image]:
    """Frames of the first ``GOALS`` episodes, one after another, each goal's picture beside the environment.

    Where an episode may begin anywhere, it begins where the one before ended, in motion or not: the agent goes from
    goal to goal. Episodes of held-out data begin where they were recorded. Each has noise of its own. Those of an
    environment that draws its goals begin where it lets them begin.

    Args:
        setting: one whose episodes have goals of their own.
        who: acts, each time as a new agent; every goal gets ``STEPS`` of the task's steps.
        model: the one that it acts in.
    """
    episodes, trial = setting.own_goals, setting.trial
    assert episodes is not None
    frames: list[Image.Image] = []
    ended: dict[str, Floats] = {}
    for index, goal in enumerate(_goal_pictures(setting, episodes, min(GOALS, setting.count))):
        task = setting.only(index).starting
        task = replace(task, steps=min(task.steps, STEPS), reset_options={**task.reset_options, **ended})
        agent = who.agent(index)
        shown = partial(_shown, goal, agent, model)
        evaluation, part = demonstrate(agent, task, shown, trial.seed + index, trial.losses)
        frames += part
        if not task.held_out:
            ended = {name: evaluation.truth[name][-1] for name in task.state}
    return one_palette(frames)


def _shown(goal: NDArray[np.uint8], agent: Agent | TruthAgent, model: WorldModel) -> Pictures:
    return {"goal": goal, **believed(agent, model)}


def _goal_pictures(setting: Setting, episodes: Episodes, count: int) -> list[NDArray[np.uint8]]:
    """What the agent is shown of the first ``count`` goals, or, where that is no picture, one for people of each."""
    task, seen = setting.task, episodes.observations
    if seen is not None and seen.dtype == np.uint8 and seen.ndim == 4:
        return list(seen[:count])
    if task.goal_options is not None:
        return pictures_of_goals(task, setting.count, setting.trial.seed)[:count]
    assert task.pose is not None
    each = [episodes.only(index) for index in range(count)]
    return [render_poses(task, {**one.starts, task.pose: one.goals}) for one in each]
