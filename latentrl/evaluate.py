"""Let an agent act in the real environment and count how often it succeeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from PIL import Image

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import policy_path
from latentrl.envs.measures import Outcome
from latentrl.evaluation.agents_by_name import Contestant, contestant
from latentrl.evaluation.film import film_goals
from latentrl.evaluation.judging import Alone, Judged, judge, time_alone
from latentrl.evaluation.options import EvaluateOptions, run_of, trial_of
from latentrl.evaluation.own_tasks import LONGEST
from latentrl.evaluation.protocol import Moment
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.summary import as_text, summarise
from latentrl.figures.belief import belief_uncertainty
from latentrl.figures.theme import to_png
from latentrl.figures.video import write_gif
from latentrl.goals.distances import EUCLID, check_trained_for
from latentrl.goals.doubts import DOUBTS
from latentrl.live.evaluation import EvaluationView
from latentrl.live.terminal import can_show
from latentrl.runs.evaluated import EVALUATED, acted
from latentrl.runs.folder import load_settings
from latentrl.runs.opening import in_use
from latentrl.runs.warned import repeated
from latentrl.support.commands import command
from latentrl.support.errors import reported
from latentrl.support.files import read_json, write_bytes, write_json
from latentrl.support.locks import claimed
from latentrl.support.options import options_to_json
from latentrl.support.printing import say
from latentrl.support.progress import progress
from latentrl.support.suggestion import Suggestion
from latentrl.support.threads import few_threads
from latentrl.tracking import Guarded, choice_of, tracked


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Evaluate, write ``evaluation_<trial>.json`` and ``.gif`` into the run folder, and return the former's contents.

    Where frames are lost, ``evaluation_<trial>_belief.png`` shows what that does to the belief.

    Raises:
        UserError: no model or policy in the run folder, an unsuitable goal or task, a bad number; the same trial is
            being evaluated by another process.
    """
    if options.track is not None:
        choice_of(options.track)
    with in_use(options.run):
        check_trained_for(options.distance, options.run)
        return _claimed(options)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl evaluate``."""
    with reported():
        evaluate(tyro.cli(EvaluateOptions, args=argv, prog="latentrl evaluate"))


def _claimed(options: EvaluateOptions) -> dict[str, Any]:
    run = run_of(options)
    setting = Setting.of(trial_of(options, run), run)
    # What was chosen for this trial is said to the next agent too, or it would be judged by something else.
    chosen = setting.trial.goal.text if setting.task.near and setting.trial.goal is not None else options.goal
    options = replace(options, agent=setting.trial.agent, goal=chosen)
    choice = None if options.track is None else choice_of(options.track)
    trial = {"trial": setting.trial.as_json(), "options": options_to_json(options)}
    part = _figures(setting).stem
    with claimed(_figures(setting)), tracked(choice, setting.run.folder, trial, part) as tracker:
        summary = _evaluate(options, setting, tracker)
    # The last line: what is tracked is said when that is finished.
    print(_next_command(options, _distance(options, setting)))
    return summary


def _evaluate(options: EvaluateOptions, setting: Setting, tracker: Guarded | None) -> dict[str, Any]:
    model = setting.run.load_model()
    who = contestant(setting, model)
    folder, trial = setting.run.folder, setting.trial
    if trial.agent == "policy" or (trial.agent in PLANNERS and trial.physics != "true"):
        for warning in repeated(folder):
            say(f"warning: {warning}", flush=True)
    doubted = who.doubts()
    for doubt in doubted:
        say(f"warning: {doubt}", flush=True)
    digests = acted(folder, policy_path(folder, trial.policy) if trial.agent == "policy" else None)
    film = options.video and setting.task.film
    goals = film and setting.own_goals is not None
    with few_threads(), ExitStack() as shown:
        judged = _judged(setting, who, shown, can_show(options.live))
        alone = time_alone(setting, who, model, film=film and not goals)
        frames = film_goals(setting, who, model) if goals else alone.frames
    summary = {**summarise(setting, judged, alone), EVALUATED: digests, "options": options_to_json(options)}
    summary |= {DOUBTS: doubted} if doubted else {}
    try:
        # First, for nobody may read what is printed.
        written = _write(setting, summary, alone, frames)
        if tracker is not None:
            tracker.log(scalars(summary), 0)
            for path in written:
                tracker.log_file(path)
    finally:
        # Whatever happens to the files, the figures were worked for.
        print(as_text(summary, setting.task.measure.headings), flush=True)
    if setting.task.near:
        say(f"task {setting.trial.task}: {setting.task.description}; goal {setting.goal}; {_length(setting)}")
    if setting.task.near and summary["successes"] is None:
        say("no success is counted: nobody has said how near is near enough (--describe FILE, docs/declarations.md)")
    print("; ".join(f"{path}: {what}" for path, what in written.items()))
    if options.video and not film:
        print(f"no video: {setting.task.env_id} has no render_mode rgb_array")
    return summary


def _judged(setting: Setting, who: Contestant, shown: ExitStack, live: bool) -> Judged:
    """Let the agent act, with a bar or a panel, which is there until ``shown`` closes."""
    name = f"evaluate {setting.trial.contestant}"
    if not live:
        bar = shown.enter_context(progress(setting.task.steps, "step", name))
        return judge(setting, who, bar.update)
    title = f"{name}: {setting.trial.task}, {setting.run.folder}"
    view = shown.enter_context(EvaluationView(title, setting.count, setting.task.steps))

    def look(moment: Moment) -> None:
        view.step(moment.ended.tolist(), lambda: _told(setting.outcome(moment.truth())), moment.seconds.tolist())

    judged = judge(setting, who, look=look)
    view.finish(*_told(judged.outcome), judged.evaluation.seconds.tolist())
    return judged


def _told(outcome: Outcome) -> tuple[list[bool] | None, dict[str, float]]:
    """Which episodes succeeded, and the medians of what else is measured."""
    success = None if outcome.success is None else [bool(one) for one in outcome.success]
    return success, {name: float(np.median(values)) for name, values in outcome.figures.items()}


def scalars(summary: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a summary by name, for a tracker: successes, their interval, medians, times."""
    low, high = summary["wilson_95"] or (None, None)
    found = {
        "successes": summary["successes"],
        "success_rate": summary["success_rate"],
        "episodes": summary["episodes"],
    }
    found |= {"wilson_95_low": low, "wilson_95_high": high, "frames_lost": summary["frames_lost"]}
    found |= {f"median/{name}": values["median"] for name, values in summary["measures"].items()}
    found |= {f"overall/{name}": value for name, value in summary.get("overall", {}).items()}
    found |= {f"control_rate/{name}": value for name, value in summary["control_rate"].items()}
    return {f"evaluation/{name}": float(value) for name, value in found.items() if value is not None}


def _figures(setting: Setting) -> Path:
    return setting.run.folder / f"evaluation_{setting.trial.name}.json"


def _write(setting: Setting, summary: dict[str, Any], alone: Alone, frames: list[Image.Image]) -> dict[Path, str]:
    """Write all that came of a trial; returns what each file is."""
    stem = f"evaluation_{setting.trial.name}"
    folder, control_step, written = setting.run.folder, setting.task.control_step, {}
    if frames:
        written[write_gif(folder / f"{stem}.gif", frames, round(1 / control_step))] = "a video"
    if setting.trial.losses.any and alone.deviation:
        path = folder / f"{stem}_belief.png"
        figure = belief_uncertainty(alone.deviation, alone.evaluation.arrived[:, 0], control_step)
        write_bytes(path, to_png(figure))
        written[path] = "the belief's uncertainty"
    path = _figures(setting)
    write_json(path, summary)
    return {path: "the figures", **written}


def _length(setting: Setting) -> str:
    """How long the episodes were, and that the environment would have gone on, where nobody has said otherwise."""
    steps, longest = setting.task.steps, setting.run.surroundings.longest
    cut = setting.trial.steps is None and longest is not None and steps == LONGEST < longest
    return f"{steps} steps" + (f" of the environment's {longest}: --steps {longest} for all of them" if cut else "")


def _distance(options: EvaluateOptions, setting: Setting) -> str | None:
    """By which the planners that come next are to measure: as given, as the policy learned, as the data suggests."""
    if options.agent in PLANNERS or options.distance != EUCLID:
        return options.distance
    if options.agent == "policy":
        notes = policy_path(setting.run.folder, options.policy).with_suffix(".json")
        return read_json(notes, "learn the policy again").get("settings", {}).get("distance")
    return Suggestion.of(load_settings(options.run)["data"]).distance if setting.goal.is_position else None


def _next_command(options: EvaluateOptions, distance: str | None) -> str:
    """The agents one after the other, chance last, then all of them in one table."""
    order = ("policy", *PLANNERS, "random")
    words: list[object] = ["--run", options.run]
    shared: dict[str, object] = {
        "--goal": options.goal,
        "--steps": options.steps,
        "--action-limit": options.torque,
        "--env": options.env,
    }
    shared |= {"--repeat": options.repeat, "--describe": options.describe, "--data": options.data}
    shared |= {"--reset-options": None if options.reset_options is None else json.dumps(options.reset_options)}
    following = None if options.agent not in order[:-1] else order[order.index(options.agent) + 1]
    shared |= {"--episodes": options.episodes, "--seed": options.seed if options.seed != EvaluateOptions.seed else None}
    if following is not None:
        # A comparison loses no frames, films nothing and has the true physics beside the learned.
        shared |= {"--drop": options.drop or None, "--blackout": options.blackout}
        physics = options.physics if following in PLANNERS else EvaluateOptions.physics
        shared |= {"--physics": None if physics == EvaluateOptions.physics else physics}
    # Only planners are told how far to look, and in a comparison there are some.
    inside = following is None or (following in PLANNERS and options.physics != "true")
    shared |= {"--distance": distance if distance != EUCLID and inside else None}
    shared |= {"--horizon": options.horizon if following is None or following in PLANNERS else None}
    given = [word for flag, value in shared.items() if value is not None for word in (flag, value)]
    silent = () if options.video else ("--no-video",)
    if following is None:
        return f"next: {command('compare', *words, *_tasks(options, '--tasks'), *given)}"
    return f"next: {command('evaluate', *words, *_tasks(options, '--task'), *given, *silent, '--agent', following)}"


def _tasks(options: EvaluateOptions, flag: str) -> tuple[str, ...]:
    return () if options.task is None else (flag, options.task)


if __name__ == "__main__":
    main()
