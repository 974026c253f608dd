"""Tasks: what to do in which environment, and how it is judged.

A task of one's own is one more :class:`Task`: the environment's id, the entries of its ``info`` that are ground truth,
and a measure of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.episodes import Draw
from latentrl.envs.measures.base import Measure


@dataclass(frozen=True)
class Task:
    """What to do in which environment.

    Attributes:
        env_id: Gymnasium id.
        truth: the entries of ``info`` that are ground truth: for the measure, and for agents that are given the truth;
            :data:`~latentrl.envs.measures.score.REWARD` stands for the environment's own reward.
        measure: judges the episodes.
        goal: what to reach, as ``--goal`` is written; a picture's relative path is one in the data folder. None where
            each episode has a goal of its own, or where it is the one that came with the data.
        torque: largest action, in the environment's units; None: the bounds of the data are.
        steps: T, the length of an episode.
        episodes: how many are run, unless asked otherwise.
        control_step: seconds between two actions.
        target_of: the entry of ``truth``, or the coordinate, of whose largest absolute value in the training data the
            goal is a fraction; None where the measure needs no such target.
        true_position: the goal position in the coordinates of the true physics, for planners on it; None where the goal
            is a velocity.
        seconds: what an episode lasts whatever the control step; None: ``steps`` of them.
        torque_limit: the environment's argument that ``torque`` is given as; None: it has none, and ``torque`` bounds
            the agent alone.
        draw: how each episode begins and what its goal is, for an environment with a vectorised version, whose reset
            takes options ``[N, ...]``; None: all alike, by ``reset_options`` and ``goal``.
        held_out: whether these are drawn from the test split.
        state: the entries of ``truth`` that a reset takes as options of the same name and shape; together they are a
            whole state, so that one episode can go on where another ended.
        pose: the one of them that is a pose: the goals of the episodes are given in it.
        unknown_goal: options of a reset where nobody knows the goal's pose, only its picture.
        measure_unknown: what is measured then; None: nothing.
        env_kwargs: how the environment is made.
        reset_options: where an episode starts.
        description: one line for people.
        target: what to reach in the truth's units, where that is known without the data; None: see ``target_of``.
        true_pose: where the goal is, in the coordinates of the measure, the same for all episodes; None: not known.
        goal_options: those of a reset that draws the goal of an episode, where each has one of its own and no ``draw``:
            what is observed after it is the goal, and its ground truth the pose.
        near: whether episodes are judged by their distance to the goal as a model sees it too: nobody may know more.
        recorded: how the environment is made beyond its arguments, as ``metadata.json`` says it; nothing where the
            environment alone is.
        film: whether there are pictures for people.
    """

    env_id: str
    truth: tuple[str, ...]
    measure: Measure
    goal: str | None
    torque: float | None
    steps: int
    episodes: int = 50
    control_step: float = 0.1
    target_of: str | Coordinate | None = None
    true_position: tuple[float, ...] | None = None
    seconds: float | None = None
    torque_limit: str | None = "torque_limit"
    draw: Draw | None = None
    held_out: bool = False
    state: tuple[str, ...] = ()
    pose: str | None = None
    unknown_goal: Mapping[str, Any] = field(default_factory=dict)
    measure_unknown: Measure | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reset_options: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    target: float | None = None
    true_pose: tuple[float, ...] | None = None
    goal_options: Mapping[str, Any] | None = None
    near: bool = False
    recorded: Mapping[str, Any] = field(default_factory=dict)
    film: bool = True

    @property
    def has_own_goals(self) -> bool:
        """Whether each episode has a goal of its own."""
        return self.draw is not None or self.goal_options is not None

    def with_env(self, **kwargs: Any) -> Task:
        """This task with ``kwargs`` among the arguments that its environment is made with."""
        return replace(self, env_kwargs={**self.env_kwargs, **kwargs})

    def of_run(self, kwargs: dict[str, Any]) -> Task:
        """The task in the environment as a run's data was recorded in it, at its control step.

        A ``control_step`` among ``kwargs`` is a step of the environment, of which each action is held for as many as
        ``recorded`` says; without one the task's own stands, held actions counted in.
        """
        task = self.with_env(**kwargs)
        step = self.control_step
        if "control_step" in kwargs:
            step = kwargs["control_step"] * (self.recorded.get("repeat") or 1)
        return replace(task, control_step=step, steps=round(self.seconds / step) if self.seconds else self.steps)
