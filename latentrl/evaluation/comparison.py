"""Who takes part in a comparison, and what is still to be learned for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentrl.agents.planners import PLANNERS
from latentrl.envs import TASKS, environment_named, tasks_in
from latentrl.envs.tasks import Task
from latentrl.evaluation.agents_by_name import agents, suits
from latentrl.evaluation.options import CompareOptions
from latentrl.evaluation.oracles import ORACLE, has_servo, plans_on_true_physics
from latentrl.evaluation.trials import Trial
from latentrl.goals.any_position import AnyGoal
from latentrl.goals.base import Goal
from latentrl.goals.parsing import parse_goal
from latentrl.support.errors import UserError


def planned(options: CompareOptions, env_id: str, policies: Mapping[str, Goal]) -> list[Trial]:
    """The trials of a comparison, task by task: chance, policies, planners, planners on the true physics, the oracle.

    Args:
        options: of the comparison.
        env_id: the environment that made the run's data.
        policies: the run's policies, and what they were learned for.

    Raises:
        UserError: an unknown task or agent, a bad number.
    """
    tasks = _tasks(options, env_id)
    for flag, given, known in (("tasks", tasks, tuple(TASKS)), ("agents", options.agents, tuple(agents()))):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise UserError(f"--{flag} {' '.join(unknown)}: choose some of {', '.join(known)}")
    if options.episodes is not None and options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: give one or more")
    planners = [name for name in options.agents if name in PLANNERS]
    trials = []
    for task in tasks:
        shared: dict[str, Any] = {"task": task, "episodes": options.episodes, "seed": options.seed}
        environment, goal = environment_named(TASKS[task].env_id), _goal(TASKS[task])
        names = [name for name, own in policies.items() if suits(own, goal)] if "policy" in options.agents else []
        trials += [Trial(agent="random", **shared)] if "random" in options.agents else []
        trials += [Trial(agent="policy", policy=name, **shared) for name in names]
        trials += [Trial(agent=name, **shared) for name in planners]
        if options.true_physics and plans_on_true_physics(environment, TASKS[task]):
            trials += [Trial(agent=name, physics="true", **shared) for name in planners]
        if options.true_physics and has_servo(environment, TASKS[task]):
            trials += [Trial(agent=ORACLE, **shared)]
    return trials


def unlearned(options: CompareOptions, env_id: str, policies: Mapping[str, Goal]) -> list[str]:
    """The commands that learn what none of the run's ``policies`` was learned for."""
    commands: dict[Goal, str] = {}
    for name in _tasks(options, env_id) if "policy" in options.agents else ():
        task, goal = TASKS[name], _goal(TASKS[name])
        if goal not in commands and not any(suits(own, goal) for own in policies.values()):
            own = "" if name == tasks_in(task.env_id)[0] else f" --name {name}"
            text = "PICTURE" if task.true_position else task.goal or "any"
            commands[goal] = f"python -m latentrl.learn --run {options.run} --goal {text} --torque {task.torque:g}{own}"
    return list(commands.values())


def _goal(task: Task) -> Goal:
    """What a policy is to have been learned for; any goal where every episode has its own."""
    return AnyGoal() if task.goal is None else parse_goal(task.goal)


def _tasks(options: CompareOptions, env_id: str) -> tuple[str, ...]:
    if options.tasks is not None:
        return options.tasks
    if not tasks_in(env_id):
        raise UserError(f"--run {options.run}: was trained on {env_id}, for which there is no task here")
    return tasks_in(env_id)
