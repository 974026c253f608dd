"""Compare all agents on all tasks, with references below (chance) and above (the same planners on the true physics)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from tqdm import tqdm

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import policy_path
from latentrl.envs import TASKS, environment_named, tasks_in
from latentrl.evaluation.agents_by_name import AGENTS, policies_for
from latentrl.evaluation.judging import run_trial
from latentrl.evaluation.oracles import ORACLE
from latentrl.evaluation.setting import environment_of
from latentrl.evaluation.table import as_csv, as_markdown, rows
from latentrl.evaluation.trials import Trial
from latentrl.goals.any_position import AnyGoal
from latentrl.goals.base import Goal
from latentrl.goals.parsing import parse_goal
from latentrl.models.base import WorldModel
from latentrl.runs.folder import MODEL, load_model
from latentrl.support.errors import UserError, reported
from latentrl.support.files import read_json, write_json, write_text

SINGLE_STEPS = 50
"""Steps of the single episode that a control rate is measured in."""


@dataclass(frozen=True)
class CompareOptions:
    """Write one table of all agents on all tasks. Run again, it repeats only what is not finished or has changed."""

    run: Path
    """The run folder of a trained model."""
    tasks: tuple[str, ...] | None = None
    """What to do; all tasks of the run's environment if left out."""
    agents: tuple[str, ...] = AGENTS
    """Who does it: random, planners, and policy for every policy in the run that was learned for the task's goal."""
    true_physics: bool = True
    """Add references above: every planner on the true physics; for the reacher an oracle, which is told the truth."""
    episodes: int | None = None
    """Parallel episodes; as many as each task says if left out."""
    seed: int = 0
    """Of the environment's noise and the agents'."""
    data: Path | None = None
    """The run's data folder, if it is no longer where the training found it."""


def compare(options: CompareOptions) -> list[dict[str, Any]]:
    """Run what is missing, write ``compare.md``, ``.csv`` and ``.json`` into the run folder, and return the rows.

    Raises:
        UserError: an unknown task or agent, or whatever a trial finds wrong.
    """
    trials = plan(options)
    model = load_model(options.run).requires_grad_(False)
    with tqdm(total=sum(TASKS[trial.task].steps for trial in trials), desc="compare", disable=None) as bar:
        summaries = []
        for trial in trials:
            bar.set_postfix_str(f"{trial.contestant}, {trial.task}")
            summaries.append(_finished_or_run(trial, model, options, bar))
    table = rows(summaries)
    text = as_markdown(table)
    write_text(options.run / "compare.md", f"# Agents of {options.run.name}, medians over episodes\n\n{text}")
    write_text(options.run / "compare.csv", as_csv(table))
    write_json(options.run / "compare.json", {"rows": table, "seed": options.seed})
    print(text)
    print(f"{options.run / 'compare.md'}: the table; compare.csv, compare.json: the same for programs")
    missing = unlearned(options)
    for command in missing:
        print(f"no policy for this goal yet; learn one: {command}")
    agent = next((name for name in options.agents if name in PLANNERS), "random")
    print(f"next: {missing[0] if missing else f'python -m latentrl.evaluate --run {options.run} --agent {agent}'}")
    return table


def plan(options: CompareOptions) -> list[Trial]:
    """The trials of a comparison, task by task: chance, policies, planners, planners on the true physics."""
    tasks = _tasks(options)
    for flag, given, known in (("tasks", tasks, tuple(TASKS)), ("agents", options.agents, AGENTS)):
        unknown = [name for name in given if name not in known]
        if unknown or not given:
            raise UserError(f"--{flag} {' '.join(unknown)}: choose some of {', '.join(known)}")
    if options.episodes is not None and options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: give one or more")
    trials = []
    for task in tasks:
        shared: dict[str, Any] = {"task": task, "episodes": options.episodes, "seed": options.seed}
        environment = environment_named(TASKS[task].env_id)
        names = policies_for(options.run, _goal(task)) if "policy" in options.agents else []
        planners = [name for name in options.agents if name in PLANNERS]
        trials += [Trial(agent="random", **shared)] if "random" in options.agents else []
        trials += [Trial(agent="policy", policy=name, **shared) for name in names]
        trials += [Trial(agent=name, **shared) for name in planners]
        if options.true_physics and environment is not None and environment.true_physics is not None:
            trials += [Trial(agent=name, physics="true", **shared) for name in planners]
        if options.true_physics and environment is not None and environment.servo is not None:
            trials += [Trial(agent=ORACLE, **shared)]
    return trials


def unlearned(options: CompareOptions) -> list[str]:
    """The commands that learn what no policy in the run folder was learned for."""
    commands: dict[Goal, str] = {}
    for name in _tasks(options) if "policy" in options.agents else ():
        task, goal = TASKS[name], _goal(name)
        if goal not in commands and not policies_for(options.run, goal):
            own = "" if name == tasks_in(task.env_id)[0] else f" --name {name}"
            text = "PICTURE" if task.true_position else task.goal or "any"
            commands[goal] = f"latentrl learn --run {options.run} --goal {text} --torque {task.torque:g}{own}"
    return list(commands.values())


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl compare``."""
    with reported():
        options = tyro.cli(CompareOptions, args=argv, prog="latentrl compare")
        try:
            compare(options)
        except KeyboardInterrupt:
            print(f"interrupted; to go on: python -m latentrl.compare --run {options.run} with the same options")
            raise SystemExit(130) from None


def _goal(task: str) -> Goal:
    """What a policy is to have been learned for; any goal where every episode has its own."""
    goal = TASKS[task].goal
    return AnyGoal() if goal is None else parse_goal(goal)


def _tasks(options: CompareOptions) -> tuple[str, ...]:
    if options.tasks is not None:
        return options.tasks
    env_id = environment_of(options.run)
    if not tasks_in(env_id):
        raise UserError(f"--run {options.run}: was trained on {env_id}, for which there is no task here")
    return tasks_in(env_id)


def _finished_or_run(trial: Trial, model: WorldModel, options: CompareOptions, bar: tqdm[Any]) -> dict[str, Any]:
    """A trial's summary: from its file, if that was made of the same trial, model and policy; else by running it."""
    path = options.run / "compare" / f"{trial.name}.json"
    made_of = {"trial": asdict(trial), **_digests(trial, options.run)}
    if path.is_file():
        stored = read_json(path, "remove it")
        if stored.get("made_of") == made_of:
            bar.update(TASKS[trial.task].steps)
            return stored
    report = run_trial(trial, model, options.run, options.data, single_steps=SINGLE_STEPS, on_act=bar.update)
    summary = {**report.summary, "made_of": made_of}
    path.parent.mkdir(exist_ok=True)
    write_json(path, summary)
    return summary


def _digests(trial: Trial, run: Path) -> dict[str, str]:
    """What the trial's outcome depends on besides its settings."""
    used = {"model": run / MODEL}
    if trial.agent == "policy":
        used["policy"] = policy_path(run, trial.policy)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in used.items()}


if __name__ == "__main__":
    main()
