"""Let an agent act in the real environment and count how often it succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro
from tqdm import tqdm

from latentrl.agents.planners import PLANNERS
from latentrl.envs import TASKS
from latentrl.evaluation.judging import Report, run_trial
from latentrl.evaluation.options import EvaluateOptions
from latentrl.evaluation.sensing import Losses, parse_blackout
from latentrl.evaluation.setting import environment_of, task_for, task_of
from latentrl.evaluation.trials import Trial
from latentrl.figures.belief import belief_uncertainty
from latentrl.figures.theme import to_png
from latentrl.figures.video import write_gif
from latentrl.runs.folder import load_model
from latentrl.support.errors import UserError, reported
from latentrl.support.files import write_bytes, write_json
from latentrl.support.options import options_to_json
from latentrl.support.threads import threads_for


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Evaluate, write ``evaluation_<trial>.json`` and ``.gif`` into the run folder, and return the former's contents.

    Where frames are lost, ``evaluation_<trial>_belief.png`` shows what that does to the belief.

    Raises:
        UserError: no model or policy in the run folder, an unsuitable goal or task, a bad number.
    """
    options = _with_agent(options)
    trial = _trial(options)
    task = task_for(trial, options.run)
    model = load_model(options.run).requires_grad_(False)
    progress = tqdm(total=task.steps, desc=f"evaluate {trial.contestant}", disable=None)
    with threads_for(model.spec.observation_shape), progress as bar:
        report = run_trial(trial, model, options.run, options.data, film=options.video, on_act=bar.update)
    summary = {**report.summary, "options": options_to_json(options)}
    written = _write(options.run / f"evaluation_{trial.name}", summary, report, trial, task.control_step)
    print(_table(summary))
    print("; ".join(f"{path}: {what}" for path, what in written.items()))
    print(_next_command(options))
    return summary


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl evaluate``."""
    with reported():
        evaluate(tyro.cli(EvaluateOptions, args=argv, prog="latentrl evaluate"))


def _task(options: EvaluateOptions) -> str:
    return options.task or task_of(options.goal, environment_of(options.run))


def _with_agent(options: EvaluateOptions) -> EvaluateOptions:
    if options.agent is not None:
        return options
    task = TASKS.get(_task(options))
    own_goals = task is not None and task.draw is not None and options.goal is None
    return replace(options, agent="cem" if own_goals else "policy")


def _trial(options: EvaluateOptions) -> Trial:
    assert options.agent is not None
    if options.episodes is not None and options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: give one or more")
    if options.torque is not None and not 0.0 < options.torque < float("inf"):
        raise UserError(f"--torque {options.torque}: give a positive number")
    if not 0.0 <= options.drop < 1.0:
        raise UserError(f"--drop {options.drop}: give a probability of at least 0 and below 1")
    dark, period = (0, 1) if options.blackout is None else parse_blackout(options.blackout)
    return Trial(
        agent=options.agent,
        task=_task(options),
        policy=options.policy,
        physics=options.physics,
        goal=options.goal,
        episodes=options.episodes,
        torque=options.torque,
        seed=options.seed,
        losses=Losses(options.drop, dark, period),
    )


def _write(stem: Path, summary: dict[str, Any], report: Report, trial: Trial, control_step: float) -> dict[Path, str]:
    """Write all that came of a trial; returns what each file is."""
    written = {}
    if report.frames:
        path = stem.with_name(stem.name + ".gif")
        written[write_gif(path, report.frames, round(1 / control_step))] = "a video"
    if trial.losses.any and report.deviation:
        path = stem.with_name(stem.name + "_belief.png")
        figure = belief_uncertainty(report.deviation, report.arrived, control_step)
        write_bytes(path, to_png(figure))
        written[path] = "the belief's uncertainty"
    path = stem.with_name(stem.name + ".json")
    write_json(path, summary)
    return {path: "the figures", **written}


def _table(summary: dict[str, Any]) -> str:
    low, high = summary["wilson_95"] or (None, None)
    known = low is not None
    measures = [f"{name} {values['median']:.3g}" for name, values in _known(summary["measures"]).items()]
    overall = [f"{name} {value:.3g}" for name, value in summary.get("overall", {}).items()]
    successes = (
        f"{summary['successes']:>4} of {summary['episodes']:<3}" if known else f"{'?':>4} of {summary['episodes']:<3}"
    )
    rate = f"{summary['success_rate']:>6.0%}  {low:.3f} to {high:.3f}" if known else f"{'–':>6}  {'–':<14}"
    return (
        f"{'agent':<18} {'task':<25} {'successes':>10} {'rate':>6}  {'95% interval':<15} {'control rate':>12}\n"
        f"{summary['agent']:<18} {summary['task']:<25} {successes}"
        f"{rate} {summary['control_rate']['hz_median']:>10.0f} Hz\n"
        f"medians: {', '.join(measures) or 'none'}" + (f"\noverall: {', '.join(overall)}" if overall else "")
    )


def _known(measures: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: values for name, values in measures.items() if values["median"] is not None}


def _next_command(options: EvaluateOptions) -> str:
    """The agents one after the other, chance last, then all of them in one table."""
    order = ("policy", *PLANNERS, "random")
    if options.agent not in order[:-1]:
        return f"next: python -m latentrl.compare --run {options.run}"
    task = f" --task {options.task}" if options.task else ""
    goal = "" if options.goal is None else f" --goal {options.goal}"
    following = order[order.index(options.agent) + 1]
    return f"next: python -m latentrl.evaluate --run {options.run}{task}{goal} --agent {following}"


if __name__ == "__main__":
    main()
