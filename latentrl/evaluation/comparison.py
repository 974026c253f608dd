"""Who takes part in a comparison, and what is still to be learned for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from latentrl.agents.horizon import FLAG
from latentrl.agents.planners import PLANNERS
from latentrl.envs import environment_named
from latentrl.envs.tasks import Task
from latentrl.evaluation.agents_by_name import agents, suits
from latentrl.evaluation.options import CompareOptions, check_numbers, distance_of, horizon_of, where_of
from latentrl.evaluation.oracles import ORACLE, has_servo, plans_on_true_physics
from latentrl.evaluation.run import Run
from latentrl.evaluation.trials import GivenGoal, Trial, same, task_of
from latentrl.goals.any_position import AnyGoal
from latentrl.goals.base import Goal
from latentrl.goals.parsing import parse_goal
from latentrl.runs.folder import without_goal
from latentrl.support.commands import command
from latentrl.support.errors import UserError

LONGEST = 40
"""Letters of a goal in the name of a policy that is suggested for it."""


def planned(options: CompareOptions, run: Run, policies: Mapping[str, Goal]) -> list[Trial]:
    """The trials of a comparison, task by task: chance, policies, planners, planners on the true physics, the oracle.

    Args:
        options: of the comparison.
        run: whose agents they are.
        policies: the run's policies, and what they were learned for.

    Raises:
        UserError: an unknown task or agent, a bad number, no environment.
    """
    tasks = chosen(options, run)
    for flag, given, known in (("tasks", tasks, tuple(run.tasks)), ("agents", options.agents, tuple(agents()))):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise UserError(f"--{flag} {' '.join(unknown)}: choose some of {', '.join(known)}")
    check_numbers(options)
    planners, horizon = [name for name in options.agents if name in PLANNERS], horizon_of(options, run)
    if horizon is not None and not planners:
        raise UserError(
            f"{FLAG} {options.horizon} --agents {' '.join(options.agents)}: only planners look ahead as they act; "
            f"leave it out, or give some of {', '.join(PLANNERS)} as --agents"
        )
    distance = distance_of(options)
    if distance is not None and not planners:
        raise UserError(
            f"--distance {distance} --agents {' '.join(options.agents)}: only planners measure it as they act; "
            f"leave it out, or give some of {', '.join(PLANNERS)} as --agents"
        )
    trials = []
    for name, aim in _aims(options, run).items():
        task = run.tasks[name]
        shared: dict[str, Any] = {
            "task": name,
            "episodes": options.episodes,
            "seed": options.seed,
            "torque": options.torque,
            "steps": options.steps,
            "reset_options": options.reset_options,
            "where": where_of(options),
            "goal": aim.given,
        }
        environment, goal = environment_named(task.env_id), aim.goal
        fitting = [one for one, own in policies.items() if suits(own, goal)] if "policy" in options.agents else []
        trials += [Trial(agent="random", **shared)] if "random" in options.agents else []
        trials += [Trial(agent="policy", policy=one, **shared) for one in fitting]
        # A velocity has no way along the data; such tasks are compared as ever.
        measured = distance if goal.is_position else None
        trials += [Trial(agent=one, horizon=horizon, distance=measured, **shared) for one in planners]
        # They know the true position of the task's own goal, and of no other; a speed they are told.
        referred = options.true_physics and (aim.own or not goal.is_position)
        if referred and plans_on_true_physics(environment, task) and not task.near:
            trials += [Trial(agent=one, physics="true", horizon=horizon, **shared) for one in planners]
        if referred and aim.given is None and has_servo(environment, task):
            trials += [Trial(agent=ORACLE, **shared)]
    return trials


def unlearned(options: CompareOptions, run: Run, policies: Mapping[str, Goal]) -> list[str]:
    """The commands that learn what none of the run's ``policies`` was learned for."""
    commands: dict[Goal, str] = {}
    for name, aim in _aims(options, run).items() if "policy" in options.agents else ():
        task, goal = run.tasks[name], aim.goal
        if goal not in commands and not any(suits(own, goal) for own in policies.values()):
            own = () if aim.own and name == next(iter(run.tasks)) else ("--name", _policy_name(name, aim))
            limit = options.torque or task.torque
            bound = () if limit is None else ("--action-limit", f"{limit:g}")
            commands[goal] = command("learn", "--run", options.run, "--goal", goal, *bound, *own)
    return list(commands.values())


def _policy_name(task: str, aim: _Aim) -> str:
    """Of a policy for the task's own goal that of the task; another goal's would take its place."""
    if aim.own or aim.given is None:
        return task
    # The end of a long path tells more of it, and a policy's name is short.
    text = f"{task}-{aim.given.text[-LONGEST:]}"
    return "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "-" for one in text)


def chosen(options: CompareOptions, run: Run) -> tuple[str, ...]:
    """Names of the tasks that are compared: those asked for, else the one that the given goal is for, as in
    ``evaluate``, else all, the one that is made up only if it is alone.

    Raises:
        UserError: there is none.
    """
    if options.tasks is not None:
        return options.tasks
    if options.goal is not None:
        return (task_of(parse_goal(options.goal), run.tasks, run.own_goal),)
    return tuple(name for name in run.tasks if name != run.made_up) or tuple(run.tasks)


class _Aim(NamedTuple):
    """What is to be reached in a task: what the user gives for it, what that or the task means, and whether the task
    has no other."""

    given: GivenGoal | None
    goal: Goal
    own: bool


def _aims(options: CompareOptions, run: Run) -> dict[str, _Aim]:
    """The goals of all tasks that are compared; a given one is for the only task, or for those that have none.

    Raises:
        UserError: as of :func:`_goal`; a goal that no task takes, for the table would be of others.
    """
    given, found = GivenGoal.parse(options.goal), {}
    for name in (tasks := chosen(options, run)):
        task = run.tasks[name]
        free = task.near and task.goal is None and task.true_pose is None and not task.has_own_goals
        taken = given if free or len(tasks) == 1 else None
        own = taken is None or free or same(taken.meaning, None if task.has_own_goals else run.own_goal(task))
        found[name] = _Aim(taken, _goal(taken, task, run), own)
    if given is not None and not any(aim.given for aim in found.values()):
        raise UserError(
            f"--goal {given.text} --tasks {' '.join(tasks)}: each of them has a goal of its own; give one task alone, "
            "or leave --tasks out"
        )
    return found


def _goal(given: GivenGoal | None, task: Task, run: Run) -> Goal:
    """What a policy is to have been learned for; any goal where every episode has its own.

    Raises:
        UserError: nobody says which.
    """
    if given is None and task.has_own_goals:
        return AnyGoal()
    found = run.own_goal(task) if given is None else given.meaning
    if found is None:
        raise UserError(
            f"--goal: {without_goal(run.data)}; give a picture or readings of the goal, "
            "frame:SEQUENCE:STEP, sequence:NUMBER or velocity:FRACTION"
        )
    return found
