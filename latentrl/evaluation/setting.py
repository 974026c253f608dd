"""What a trial means for a run: task, goal, starts and target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs import TASKS, tasks_in
from latentrl.envs.episodes import Episodes, Recorded
from latentrl.envs.tasks import Task
from latentrl.evaluation.trials import Trial
from latentrl.goals.base import Goal
from latentrl.goals.parsing import parse_goal
from latentrl.goals.picture import ObservedGoals, PictureGoal
from latentrl.goals.speed import SpeedGoal
from latentrl.runs.folder import load_settings
from latentrl.support.errors import UserError

STREAM = 2
"""Sets the generator of starts and goals apart from others that are seeded with the same number."""


def task_of(goal: str | None, env_id: str) -> str:
    """The task in an environment that a goal in words is meant for: a rotation by its sign, or the first one."""
    meant = parse_goal(goal) if goal is not None else None
    names = tasks_in(env_id) or tuple(TASKS)
    for name in names:
        own = parse_goal(TASKS[name].goal or "")
        if isinstance(meant, SpeedGoal) and isinstance(own, SpeedGoal) and meant.fractions[0] * own.fractions[0] > 0:
            return name
    return names[0]


def environment_of(run: Path) -> str:
    """The Gymnasium id of the environment that made the run's data."""
    return str(load_settings(run)["data"]["env_id"])


def task_for(trial: Trial, run: Path) -> Task:
    """The trial's task, in the environment that made the run's data.

    Raises:
        UserError: no such task, the run was trained elsewhere, or on pictures that its environment does not give.
    """
    if trial.task not in TASKS:
        raise UserError(f"--task {trial.task}: choose one of {', '.join(TASKS)}")
    task, recorded = TASKS[trial.task], load_settings(run)["data"]
    if recorded["env_id"] != task.env_id:
        raise UserError(
            f"--run {run}: was trained on {recorded['env_id']}, but --task {trial.task} takes place in "
            f"{task.env_id}; give a run that was trained there"
        )
    if task.draw is not None and recorded.get("pixels") is not None:
        raise UserError(
            f"--run {run}: was trained on rendered pictures (collect --pixels), which show the target; "
            "collect with --observation pixels"
        )
    return task.of_run(recorded["env_kwargs"])


def episodes_of(trial: Trial, task: Task, run: Path, data: Path) -> Episodes | None:
    """How the episodes begin and what each is to reach; None where all are alike.

    Raises:
        UserError: a goal for a task that has goals of its own, or held-out data that is missing or unsuitable.
    """
    if task.draw is None:
        return None
    if trial.goal is not None:
        given = parse_goal(trial.goal)
        if not (given.is_position and given.is_single):
            raise UserError(f"--goal {trial.goal}: this task is to reach a position; give a picture or readings of it")
        first = tasks_in(task.env_id)[0]
        if trial.task != first:
            raise UserError(f"--goal: in --task {trial.task} every episode has a goal of its own; give --task {first}")
    count = trial.episodes or task.episodes
    recorded = _held_out(trial.task, run, data) if task.held_out else None
    try:
        drawn = task.draw(np.random.default_rng((trial.seed, STREAM)), count, recorded)
    except ValueError as error:
        raise UserError(f"--task {trial.task}: {error}; {data} is too short, collect with a larger --length") from error
    if trial.goal is None:
        return drawn
    unknown = {name: np.broadcast_to(value, (count, *np.shape(value))) for name, value in task.unknown_goal.items()}
    return Episodes({**drawn.starts, **unknown}, drawn.goals)


def _held_out(task: str, run: Path, data: Path) -> Recorded:
    settings = load_settings(run)
    if not (data / METADATA).is_file():
        raise UserError(f"{data}: the run's data is not there, but --task {task} begins in it; find it with --data")
    own: dict[str, Any] = load_metadata(data)
    for name, expected, found in (
        ("environment", settings["data"]["env_id"], own.get("env_id")),
        ("environment's settings", settings["data"]["env_kwargs"], own.get("env_kwargs")),
        ("observation shape", list(settings["model"]["spec"]["observation_shape"]), own.get("observation_shape")),
    ):
        if expected != found:
            raise UserError(f"--data {data}: {name} {found}, but the run has {expected}; give the run's data")
    return Recorded(load_sequences(data, "test").observations.numpy(), load_ground_truth(data, "test"))


def goal_of(trial: Trial, task: Task, data: Path, drawn: Episodes | None = None) -> Goal:
    """What to reach: the trial's goal, the task's, whose picture lies in the data folder, or each episode's own."""
    if trial.goal is not None:
        return parse_goal(trial.goal)
    if task.goal is None:
        assert drawn is not None and drawn.observations is not None
        return ObservedGoals(drawn.observations)
    goal = parse_goal(task.goal)
    return PictureGoal(data / goal.path) if isinstance(goal, PictureGoal) else goal


def target_of(goal: Goal, task: Task, data: Path) -> float | None:
    """The speed that a velocity goal means in the truth's units: its fraction of the fastest in the training data.

    None for a task that is not measured against a speed; it needs no data.

    Raises:
        UserError: a goal of the other kind, or the data is not there.
    """
    if task.target_of is None:
        if isinstance(goal, SpeedGoal):
            raise UserError("--goal velocity:...: this task is to reach a position; give a picture, or another --task")
        return None
    if not isinstance(goal, SpeedGoal) or len(goal.fractions) != 1 or not goal.fractions[0]:
        raise UserError("--goal: this task is measured against a velocity; give velocity:FRACTION, not 0")
    if not (data / METADATA).is_file():
        raise UserError(f"{data}: the run's data is not there, but the task needs its top speed; find it with --data")
    return goal.fractions[0] * float(np.abs(load_ground_truth(data, "train")[task.target_of]).max())
