"""Compare all agents on all tasks, between random actions and the same planners on the true physics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import policy_path
from latentrl.evaluation.agents_by_name import contestant, goals_of_policies
from latentrl.evaluation.comparison import planned, unlearned
from latentrl.evaluation.judging import judge, time_alone
from latentrl.evaluation.options import CompareOptions, run_of
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.summary import summarise, warnings
from latentrl.evaluation.table import as_csv, as_markdown, as_narrow, rows
from latentrl.evaluation.trials import Trial
from latentrl.goals.base import Goal
from latentrl.goals.distances import EUCLID, check_trained_for
from latentrl.goals.doubts import DOUBTS
from latentrl.goals.picture import PictureGoal
from latentrl.models.base import WorldModel
from latentrl.runs.evaluated import digest_of
from latentrl.runs.folder import MODEL
from latentrl.runs.opening import in_use
from latentrl.support.commands import command
from latentrl.support.errors import reported
from latentrl.support.files import read_json, refuse_link, write_json, write_text
from latentrl.support.locks import claimed
from latentrl.support.printing import say
from latentrl.support.progress import progress
from latentrl.support.threads import few_threads

TRIALS, TABLE = "compare", "compare.json"
"""What is finished, and all of it."""
SINGLE_STEPS = 50
"""Steps of the single episode that a control rate is measured in."""


def compare(options: CompareOptions) -> list[dict[str, Any]]:
    """Run what is missing, write ``compare.md``, ``.csv`` and ``.json`` into the run folder, and return the rows.

    Raises:
        UserError: an unknown task or agent, or whatever a trial finds wrong; another process compares there.
    """
    refuse_link(options.run / TRIALS)
    with in_use(options.run):
        check_trained_for(options.distance, options.run)
        run = run_of(options)
        policies = goals_of_policies(run.folder) if "policy" in options.agents else {}
        trials = planned(options, run, policies)
        with claimed(run.folder / TABLE):
            return _compare(options, run, policies, trials)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl compare``."""
    with reported():
        options = tyro.cli(CompareOptions, args=argv, prog="latentrl compare")
        try:
            compare(options)
        except KeyboardInterrupt:
            print(f"interrupted; to go on: {command('compare', '--run', options.run)} with the same options")
            raise SystemExit(130) from None


def _compare(
    options: CompareOptions, run: Run, policies: Mapping[str, Goal], trials: Sequence[Trial]
) -> list[dict[str, Any]]:
    model, weights = run.load_model(), digest_of(run.folder / MODEL)
    steps = {trial.task: options.steps or run.tasks[trial.task].steps for trial in trials}
    total = sum(steps[trial.task] for trial in trials)
    with few_threads(), progress(total, "step", "compare") as bar:
        summaries = []
        for trial in trials:
            bar.set_postfix_str(f"{trial.contestant}, {trial.task}")
            made_of = {"trial": trial.as_json(), "model": weights, **_digest_of_policy(trial, run.folder)}
            made_of |= {**_digest_of_goal(trial, run), **_digest_of_declaration(trial, run)}
            path = run.folder / TRIALS / f"{trial.name}.json"
            finished = _finished(path, made_of)
            if finished is None:
                finished = {**_summary(trial, run, model, bar.update), "made_of": made_of}
                path.parent.mkdir(exist_ok=True)
                write_json(path, finished)
            else:
                bar.update(steps[trial.task])
            summaries.append(finished)
    table = rows(summaries)
    for one in summaries:
        for warning in warnings(one):
            say(f"warning: {one['agent']}, {one['task']}: {warning}")
    for doubt in dict.fromkeys(doubt for one in summaries for doubt in one.get(DOUBTS, ())):
        say(f"warning: {doubt}")
    horizon = next((trial.horizon for trial in trials if trial.horizon is not None), None)
    distance = next((trial.distance for trial in trials if trial.distance is not None), None)
    _write(
        options,
        table,
        horizon,
        distance,
        {name: own for one in summaries for name, own in one.get("headings", {}).items()},
    )
    given = next((trial.task for trial in trials if trial.goal is not None), None)
    _say_next(options, given, unlearned(options, run, policies))
    return table


def _summary(trial: Trial, run: Run, model: WorldModel, on_act: Callable[[], object]) -> dict[str, Any]:
    setting = Setting.of(trial, run)
    who = contestant(setting, model)
    found = summarise(setting, judge(setting, who, on_act), time_alone(setting, who, model, SINGLE_STEPS))
    doubted = who.doubts()
    return found | ({DOUBTS: doubted} if doubted else {})


def _finished(path: Path, made_of: Mapping[str, Any]) -> dict[str, Any] | None:
    """A trial's summary from its file, if that was made of the same trial, model and policy."""
    stored = read_json(path, "remove it") if path.is_file() else {}
    return stored if stored.get("made_of") == made_of else None


def _digest_of_policy(trial: Trial, run: Path) -> dict[str, str]:
    return {"policy": digest_of(policy_path(run, trial.policy))} if trial.agent == "policy" else {}


def _digest_of_goal(trial: Trial, run: Run) -> dict[str, str]:
    """Of the file that the goal lies in, if it was given or the task is nobody's own: another may lie there by then."""
    task = run.tasks[trial.task]
    own = run.own_goal(task) if task.near else None
    goal = own if trial.goal is None else trial.goal.meaning
    return {"goal": digest_of(goal.path)} if isinstance(goal, PictureGoal) and goal.path.is_file() else {}


def _digest_of_declaration(trial: Trial, run: Run) -> dict[str, str]:
    """Of what is declared of the task: a nearer goal or a shorter time is another task of the same name."""
    declared = run.declaration_of(trial.task)
    return {} if declared is None else {"declared": hashlib.sha256(declared.encode()).hexdigest()}


def _write(
    options: CompareOptions,
    table: list[dict[str, Any]],
    horizon: int | None,
    distance: str | None,
    headings: Mapping[str, str],
) -> None:
    """The table as Markdown, as CSV and as JSON, and a narrow one here; they say what is not the planners' own."""
    said_of = "" if horizon is None else f"Planners look {horizon} steps ahead.\n\n"
    if distance is not None:
        said_of = f"Planners measure {distance} distances to positions.\n\n{said_of}"
    text = said_of + as_markdown(table, headings)
    write_text(options.run / "compare.md", f"# Agents of {options.run.name}, medians over episodes\n\n{text}")
    write_text(options.run / "compare.csv", as_csv(table, headings))
    said: dict[str, Any] = {} if horizon is None else {"horizon": horizon}
    said |= {} if distance is None else {"distance": distance}
    write_json(options.run / TABLE, {"rows": table, "seed": options.seed, **said})
    print(said_of + as_narrow(table, headings))
    print(f"{options.run / 'compare.md'}: the table with all figures; compare.csv, compare.json: the same for programs")


def _say_next(options: CompareOptions, given: str | None, missing: list[str]) -> None:
    """What to do next, of the policies that are ``missing``; a goal goes with the task that it was ``given`` for."""
    for one in missing:
        print(f"no policy for this goal yet; learn one: {one}")
    agent = next((name for name in options.agents if name in PLANNERS), "random")
    flags: dict[str, object] = {
        "--task": None if options.tasks is None else given or options.tasks[0],
        "--goal": options.goal,
        "--env": options.env,
        "--repeat": options.repeat,
        "--describe": options.describe,
        "--episodes": options.episodes,
        "--steps": options.steps,
        "--action-limit": options.torque,
        "--seed": None if options.seed == CompareOptions.seed else options.seed,
        "--reset-options": None if options.reset_options is None else json.dumps(options.reset_options),
        "--data": options.data,
        "--horizon": options.horizon if agent in PLANNERS else None,
        "--distance": options.distance if agent in PLANNERS and options.distance != EUCLID else None,
    }
    words = [word for flag, value in flags.items() if value is not None for word in (flag, value)]
    print(f"next: {missing[0] if missing else command('evaluate', '--run', options.run, *words, '--agent', agent)}")


if __name__ == "__main__":
    main()
