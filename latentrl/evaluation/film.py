"""Films of an agent that reaches one pictured goal after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentrl.envs.description import TruthAgent
from latentrl.envs.episodes import Episodes
from latentrl.envs.tasks import Task
from latentrl.evaluation.protocol import Pictures, demonstrate, render_poses
from latentrl.evaluation.sensing import Losses
from latentrl.figures.video import one_palette
from latentrl.types import Agent

GOALS = 4
STEPS = 75
"""For each goal at most: 3 s at the reacher's control step, time to arrive and to be seen staying there."""


def film_goals(
    agent_for: Callable[[Episodes], Agent | TruthAgent],
    task: Task,
    episodes: Episodes,
    believed: Callable[[Agent | TruthAgent], Pictures],
    seed: int = 0,
    losses: Losses | None = None,
) -> list[Image.Image]:
    """Frames of the first ``GOALS`` of ``episodes``, one after another, each goal's picture beside the arm.

    Where an episode may begin anywhere, it begins where the one before ended, in motion or not: the arm goes from goal
    to goal. Episodes of held-out data begin where they were recorded.

    Args:
        agent_for: makes the agent that is to reach the goal of one episode.
        task: what to do; every goal gets ``STEPS`` of its steps.
        episodes: with the observations of their goals.
        believed: pictures ``[H, W, C]`` uint8 of what an agent believes in, by caption.
        seed: as for `run_episodes`; the goals' noise differs.
        losses: as for `run_episodes`.
    """
    frames: list[Image.Image] = []
    ended: dict[str, NDArray[np.float64]] = {}
    for index in range(min(GOALS, len(episodes.goals))):
        episode = episodes.only(index)
        starts = episode.starts | ({} if task.held_out else ended)
        short = replace(task, steps=min(task.steps, STEPS), reset_options={**task.reset_options, **starts})
        agent, goal = agent_for(episode), _goal_picture(task, episode)

        def shown(agent: Agent | TruthAgent = agent, goal: NDArray[np.uint8] = goal) -> Pictures:
            return {"goal": goal, **believed(agent)}

        evaluation, part = demonstrate(agent, short, shown, seed + index, losses)
        frames += part
        ended = {name: evaluation.truth[name][-1] for name in task.state}
    return one_palette(frames)


def _goal_picture(task: Task, episode: Episodes) -> NDArray[np.uint8]:
    """What the agent was shown of the goal, or, where that is no picture, one for people."""
    observation: NDArray[Any] | None = None if episode.observations is None else episode.observations[0]
    if observation is not None and observation.dtype == np.uint8 and observation.ndim == 3:
        return observation
    assert task.pose is not None
    return render_poses(task, {**episode.starts, task.pose: episode.goals})
