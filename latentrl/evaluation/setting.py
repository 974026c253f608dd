"""What a trial means for a run: task, goal, starts, target and largest action, resolved once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from latentrl.agents.bounds import ActionBounds
from latentrl.envs import TASKS, tasks_in
from latentrl.envs.episodes import Episodes
from latentrl.envs.measures import GOAL, Outcome, Truth
from latentrl.envs.tasks import Task
from latentrl.evaluation.own_tasks import judged, posed
from latentrl.evaluation.protocol import drawn_goals, photographs
from latentrl.evaluation.run import Run
from latentrl.evaluation.trials import Trial, same
from latentrl.goals.base import Goal
from latentrl.goals.picture import ObservedGoals
from latentrl.goals.speed import SpeedGoal
from latentrl.runs.folder import without_goal
from latentrl.runs.velocity_range import FILE as VELOCITY_RANGE
from latentrl.support.errors import UserError

STREAM = 2
"""Sets the generator of starts and goals apart from others that are seeded with the same number."""


@dataclass(frozen=True)
class Setting:
    """A trial in a run, with nothing left to look up: what agents are made for, judged by and filmed in.

    Attributes:
        trial: who does what.
        run: whose model acts.
        task: in the environment that made the run's data, which takes actions up to ``bound``.
        goal: what all episodes, or each of them, are to reach.
        target: what the measure compares with, in the truth's units; None where it needs nothing.
        bound: largest action, in the environment's units; None: what the data was recorded within.
        count: N, the parallel episodes.
        episodes: how each of them begins and what its true goal is, with observations of the goals; None: all alike.
            Where the user gives a goal its true pose is not known, and ``episodes`` tells the starts alone.
    """

    trial: Trial
    run: Run
    task: Task
    goal: Goal
    target: float | None
    bound: float | None
    count: int
    episodes: Episodes | None = None

    @classmethod
    def of(cls, trial: Trial, run: Run) -> Setting:
        """Resolve a trial.

        Raises:
            UserError: the run does not fit the task, an unsuitable goal, data that is needed and missing.
        """
        task = _task(trial, run)
        bound = _bound(trial, task, run)
        if task.torque_limit is not None and bound is not None:
            task = task.with_env(**{task.torque_limit: bound})
        count = trial.episodes or task.episodes
        episodes = _episodes(trial, task, run, count) if task.has_own_goals else None
        goal = _goal(trial, task, run, episodes)
        own = trial.goal is None or same(trial.goal.meaning, run.own_goal(task))
        if task.near and goal.is_position and episodes is None and not (own and task.true_pose is not None):
            known = posed(task, run.coordinates, run.truth_at(goal, own))
            task, own = (task, own) if known is None else (known, True)
        in_top_speeds = (run.folder / VELOCITY_RANGE).is_file()
        task = judged(task, goal.is_position, own, in_top_speeds, run.counts_in_deviations)
        return cls(trial, run, task, goal, _target(goal, task, run), bound, count, episodes)

    def bounds(self, size: int) -> ActionBounds:
        """The smallest and the largest of ``size`` actions: an environment of fixed limits gives no more than these.

        Raises:
            UserError: nobody has said any.
        """
        # The environment of a task that is not this package's has been asked for its own bounds too.
        recorded = self.task.recorded or self.run.recorded
        if self.bound is None:
            return ActionBounds.of(recorded, size, None)
        given = ActionBounds.to_both_sides(self.bound, size)
        fixed = self.task.torque_limit is None and recorded.get("action_low") is not None
        return given.within(ActionBounds.recorded(recorded, size)) if fixed else given

    @property
    def own_goals(self) -> Episodes | None:
        """The episodes, where each has a goal of its own whose true pose is known."""
        return self.episodes if self.trial.goal is None else None

    @property
    def starting(self) -> Task:
        """The task with the starts of all episodes among its reset options."""
        if self.episodes is None:
            return self.task
        return replace(self.task, reset_options={**self.task.reset_options, **self.episodes.starts})

    def only(self, index: int) -> Setting:
        """The setting of one of its episodes."""
        if self.episodes is None:
            return replace(self, count=1)
        one = self.episodes.only(index)
        goal = self.goal
        if isinstance(goal, ObservedGoals):
            goal = ObservedGoals(goal.observations[index : index + 1])
        return replace(self, count=1, episodes=one, goal=goal)

    def outcome(self, truth: Truth) -> Outcome:
        """What the task's measure says of ``truth``, ``{name: [T, N, ...]}``, the ground truth of all episodes."""
        measure, step = self.task.measure, self.task.control_step
        if self.episodes is None:
            pose = self.task.true_pose
            if pose is not None:
                count = next(iter(truth.values())).shape[1]
                truth = {**truth, GOAL: np.broadcast_to(np.asarray(pose), (count, len(pose)))}
            return measure(truth, step, self.target)
        if self.own_goals is not None:
            return measure({**truth, GOAL: self.own_goals.goals}, step, self.target)
        unknown = self.task.measure_unknown
        return Outcome(None, {}) if unknown is None else unknown(truth, step, self.target)


def _task(trial: Trial, run: Run) -> Task:
    if trial.task not in TASKS or trial.task in run.tasks:
        if trial.task not in run.tasks:
            raise UserError(f"--task {trial.task}: choose one of {', '.join(run.tasks)}")
        return _as_asked(run.tasks[trial.task].of_run(dict(run.recorded.get("env_kwargs") or {})), trial)
    task = TASKS[trial.task]
    if run.env_id.rpartition(":")[2] != task.env_id:
        raise UserError(
            f"--run {run.folder}: was trained on {run.env_id}, but --task {trial.task} takes place in "
            f"{task.env_id}; give a run that was trained there"
        )
    raise UserError(
        f"--run {run.folder}: was trained on rendered pictures or held actions (collect --pixels, --repeat), but the "
        f"goals of --task {trial.task} are photographed by the environment's own camera or sensors, step by step; give "
        f"--task {next(iter(run.tasks))}"
    )


def _as_asked(task: Task, trial: Trial) -> Task:
    """The task with what the user says of its episodes."""
    if trial.steps is not None:
        task = replace(task, steps=trial.steps)
    return replace(task, reset_options={**task.reset_options, **(trial.reset_options or {})})


def _bound(trial: Trial, task: Task, run: Run) -> float | None:
    """The largest action, which an environment of fixed limits bounds."""
    bound, recorded = trial.torque or task.torque, task.recorded or run.recorded
    if bound is None:
        return None
    limits = [abs(value) for name in ("action_low", "action_high") for value in recorded.get(name, ())]
    if task.torque_limit is None and limits and bound > max(limits):
        raise UserError(f"--action-limit {bound:g}: {task.env_id} takes at most {max(limits):g}")
    return bound


def _episodes(trial: Trial, task: Task, run: Run, count: int) -> Episodes | None:
    """How the episodes begin and what each is to reach; None where a declared task has one given goal."""
    if task.draw is None:
        posed_in = getattr(task.measure, "coordinates", ())
        return drawn_goals(task, posed_in, count, trial.seed) if trial.goal is None else None
    _check_given(trial, task)
    recorded = None
    if task.held_out:
        run.require_data(f"--task {trial.task} begins in it")
        recorded = run.held_out
    try:
        drawn = task.draw(np.random.default_rng((trial.seed, STREAM)), count, recorded)
    except ValueError as error:
        raise UserError(
            f"--task {trial.task}: {error}; {run.data} is too short, collect with a larger --length"
        ) from error
    if trial.goal is not None:
        unknown = {name: np.broadcast_to(value, (count, *np.shape(value))) for name, value in task.unknown_goal.items()}
        return Episodes({**drawn.starts, **unknown}, drawn.goals)
    if drawn.observations is None:
        return replace(drawn, observations=photographs(task, drawn.goals, trial.seed))
    return drawn


def _check_given(trial: Trial, task: Task) -> None:
    """Refuse a goal for a task that has goals of its own, unless it is one position in the environment's first task."""
    if trial.goal is None:
        return
    text, goal = trial.goal
    if not (goal.is_position and goal.is_single):
        raise UserError(f"--goal {text}: this task is to reach a position; give a picture or readings of it")
    first = tasks_in(task.env_id)[0]
    if trial.task != first:
        raise UserError(f"--goal: in --task {trial.task} every episode has a goal of its own; give --task {first}")


def _goal(trial: Trial, task: Task, run: Run, episodes: Episodes | None) -> Goal:
    """What to reach: the trial's goal, the task's, whose picture lies in the data folder, or each episode's own."""
    if trial.goal is not None:
        return trial.goal.meaning
    if episodes is not None:
        assert episodes.observations is not None
        return ObservedGoals(episodes.observations)
    own = run.own_goal(task)
    if own is None:
        raise UserError(
            f"--goal: {without_goal(run.data)}; give a picture or readings of the goal, "
            "frame:SEQUENCE:STEP, sequence:NUMBER or velocity:FRACTION"
        )
    return own


def _target(goal: Goal, task: Task, run: Run) -> float | None:
    """The speed that a velocity goal means in the truth's units: its fraction of the fastest in the training data."""
    if task.target is not None:
        return task.target
    if task.target_of is None:
        if isinstance(goal, SpeedGoal) and not task.near:
            raise UserError("--goal velocity:...: this task is to reach a position; give a picture, or another --task")
        return None
    if not isinstance(goal, SpeedGoal) or len(goal.fractions) != 1 or not goal.fractions[0]:
        raise UserError("--goal: this task is measured against a velocity; give velocity:FRACTION, not 0")
    run.require_data("the task needs its top speed")
    return goal.fractions[0] * run.largest(task.target_of)
