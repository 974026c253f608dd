"""Everything once: collect, train, learn, evaluate, and a report to look at."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import tyro

from latentrl.agents.options import LearnOptions
from latentrl.collect import CollectOptions, collect
from latentrl.evaluate import evaluate
from latentrl.evaluation.options import EvaluateOptions
from latentrl.learn import learn
from latentrl.quickstarts import CURE, QUICKSTARTS, Plan, Showcase, stage_of
from latentrl.runs.folder import SETTINGS
from latentrl.support.commands import command
from latentrl.support.errors import UserError, message_of, reported
from latentrl.support.files import partial_of, read_json, refuse_links, write_json
from latentrl.support.locks import exclusive
from latentrl.support.options import check_seed, default_hint
from latentrl.support.printing import say
from latentrl.support.processes import Beside, usable_cores
from latentrl.support.steps import FileMemory, Record, Steps
from latentrl.train import train

STAGES = "stages.json"
DEFAULT = next(iter(QUICKSTARTS))
TOLD = {name: next(iter(known.values())).told for name, known in QUICKSTARTS.items()}
OBSERVED = {name: ",".join(known) for name, known in QUICKSTARTS.items() if len(known) > 1}


@dataclass(frozen=True)
class QuickstartOptions:
    """From random actions to control in one environment: collect, train, learn, evaluate once, with a report.

    Run again, it goes on where it stopped; what is finished is not repeated.
    """

    env: Annotated[
        str,
        tyro.conf.arg(
            metavar="{" + ",".join(QUICKSTARTS) + "}", help="; ".join(f"{name}: {told}" for name, told in TOLD.items())
        ),
    ] = DEFAULT
    observation: Annotated[
        str | None, default_hint("the first", "; ".join(f"{name}: {{{known}}}" for name, known in OBSERVED.items()))
    ] = None
    """What is observed, where there is a choice."""
    out: Annotated[
        Path | None,
        default_hint("runs/quickstart; runs/ENV[-OBSERVATION]", "FOLDER"),
    ] = None
    """The folder for everything."""
    seed: int = 0
    """Of the data, the training, the policy and the evaluation."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Start afresh: remove what an earlier quickstart left in the folder."""
    live: tyro.conf.FlagCreatePairsOff[bool] = False
    """On a terminal: panels with curves, speed and time left in the place of bars, while it trains and evaluates."""

    @property
    def showcase(self) -> Showcase:
        """What is shown.

        Raises:
            UserError: no such environment or observation.
        """
        if self.env not in QUICKSTARTS:
            raise UserError(f"--env {self.env}: choose one of {', '.join(QUICKSTARTS)}")
        known = QUICKSTARTS[self.env]
        observation = self.observation or next(iter(known))
        if observation not in known:
            raise UserError(f"--observation {observation}: of --env {self.env} only {', '.join(known)} are observed")
        return known[observation]

    @property
    def folder(self) -> Path:
        """The folder for everything."""
        name = self.showcase.name
        return self.out or Path("runs") / ("quickstart" if name == DEFAULT else name)


def plan_of(options: QuickstartOptions) -> Plan:
    """What every verb is to do, in the quickstart's folders and with its seed."""
    return options.showcase.plan(options.folder, options.seed)


def quickstart(options: QuickstartOptions, plan: Plan | None = None, processes: int = 1) -> dict[str, Any]:
    """Do what is not done yet; returns the contents of ``summary.json``.

    Args:
        options: where, and from which seed.
        plan: the verbs' options, for a run of another size; its folders are those of `plan_of`.
        processes: as many at a time as there may be, this one included; with others, planners are evaluated while the
            policy is learned, and a script calls this below ``if __name__ == "__main__":``.

    Raises:
        UserError: the folder holds something else, links, or a run of another kind or seed; another quickstart is at
            work there; an environment that cannot be filmed here.
    """
    check_seed(options.seed)
    plan = (plan or plan_of(options)).shown_live(options.live)
    out = options.folder
    busy = f"{out}: another quickstart is at work there; wait for it, or give another --out"
    with exclusive(out, busy, make=True):
        # Or what a stranger's link leads to would be replaced.
        refuse_links(out, 1)
        return _quickstart(options, plan, processes)


def _quickstart(options: QuickstartOptions, plan: Plan, processes: int) -> dict[str, Any]:
    showcase, stages = options.showcase, _open(options)
    model, control = _model_steps(plan), _control_steps(plan)
    count = len(model) + len(control)
    if not {*model, *control} <= set(stages.finished):
        _check_camera(plan.collect)
    for number, (name, work) in enumerate(model.items(), start=1):
        _do(stages, f"{number}/{count}", name, work)
    with ExitStack() as ending:
        left = [name for name in control if name not in stages.finished]
        chosen = _evaluated_beside(plan, left)[: min(processes, len(left)) - 1]
        begun = {name: ending.enter_context(Beside(partial(evaluate, one))) for name, one in chosen}
        # Last comes what is being done anyway.
        for number, name in enumerate(sorted(control, key=begun.__contains__), start=len(model) + 1):
            work = partial(_said_or_done, begun[name], control[name]) if name in begun else control[name]
            _do(stages, f"{number}/{count}", name, work, " (begun meanwhile)" if name in begun else "")
    summary = showcase.summary(plan, stages.total_seconds)
    write_json(options.folder / "summary.json", summary)
    showcase.report(plan, summary, options.folder, options.seed)
    return summary


def _do(stages: Steps, number: str, name: str, work: Callable[[], object], how: str = "") -> None:
    done = " (done before)" if name in stages.finished else how
    print(f"[{number}] {name}{done}", flush=True)
    with _next_commands_hidden():
        stages.run(name, work)


def _model_steps(plan: Plan) -> dict[str, Callable[[], object]]:
    """What makes the model, in turn, by what the user reads."""
    return {
        "collect": lambda: collect(replace(plan.collect, overwrite=plan.collect.folder.exists())),
        "train": lambda: train(replace(plan.train, resume=(plan.train.folder / SETTINGS).exists())),
    }


def _control_steps(plan: Plan) -> dict[str, Callable[[], object]]:
    """What is done with the model, in turn."""
    steps: dict[str, Callable[[], object]] = {}
    if plan.learn is not None:
        steps["learn"] = partial(_learn, plan.learn)
    for key, options in plan.evaluations.items():
        steps[stage_of(key)] = partial(_evaluate, options)
    return steps


def _learn(options: LearnOptions) -> None:
    """Learn the policy to its end: on Ctrl-C the verb keeps a half-learned one, which is no finished step here."""
    learn(options)
    settings = read_json(options.run / "policy.json", CURE)["settings"]
    if settings["updates_done"] < settings["learner"]["updates"]:
        raise KeyboardInterrupt


def _evaluate(options: EvaluateOptions) -> None:
    evaluate(options)


def _evaluated_beside(plan: Plan, left: Sequence[str]) -> list[tuple[str, EvaluateOptions]]:
    """Of the steps that are left those that only need the model, and what they are."""
    planners = {stage_of(key): options for key, options in plan.evaluations.items() if options.agent != "policy"}
    return [(name, replace(planners[name], live=False)) for name in left if name in planners]


def _said_or_done(beside: Beside, work: Callable[[], object]) -> None:
    """Say what was said of a step beside this process; do it here if it went wrong there."""
    said = beside.said()
    if said is None:
        work()
    else:
        print(said, end="")


def _check_camera(options: CollectOptions) -> None:
    """Fail now rather than at the first film, when all is learned."""
    try:
        make = partial(gymnasium.make_vec, options.env_id, num_envs=1, render_mode="rgb_array")
        with closing(make(**options.env_kwargs)) as envs:
            envs.reset(seed=0)
            envs.render()
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"--env {options.env}: {message_of(error)}") from error


def _open(options: QuickstartOptions) -> Steps:
    """The quickstart's folder, emptied if asked for, and what is finished in it."""
    out, name = options.folder, options.showcase.name
    stages = out / STAGES
    # A process that was killed before it had anything else leaves the half of a file.
    there = [path for path in out.iterdir() if path != partial_of(stages)] if out.exists() else []
    if there and not stages.is_file():
        raise UserError(f"{out} holds something else than a quickstart, so it stays; give another folder with --out")
    if options.overwrite and there:
        # A kill meanwhile leaves what can be replaced, and what nothing goes on with.
        FileMemory(stages, {"replaced": True}).save(Record())
        for path in sorted(there, key=lambda path: path == stages):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    out.mkdir(parents=True, exist_ok=True)
    # Folders from when there was one environment name none.
    which = {} if name == DEFAULT else {"environment": name}
    return Steps(FileMemory(stages, {"seed": options.seed, **which}))


@contextmanager
def _next_commands_hidden() -> Iterator[None]:
    """Print what a verb has to say except for its next command: here the quickstart knows what comes next."""
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            if not line.startswith("next: "):
                say(line, "      ")


def _tell(options: QuickstartOptions, summary: dict[str, Any]) -> None:
    print("\n" + "\n".join(options.showcase.headlines(summary)))
    print(f"{summary['wall_seconds']:.0f} s in all")
    out = options.folder
    print(f"{out / 'report.html'}: open it in a browser; {out / 'summary.json'}: the figures")
    print(f"next: {options.showcase.next_command(out)}")


def _command(options: QuickstartOptions) -> str:
    """The command that goes on."""
    which = [] if options.env == DEFAULT else ["--env", options.env]
    which += [] if options.observation is None else ["--observation", options.observation]
    return command("quickstart", *which, "--out", options.folder, "--seed", options.seed)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl quickstart``."""
    with reported():
        options = tyro.cli(QuickstartOptions, args=argv, prog="latentrl quickstart")
        try:
            summary = quickstart(options, processes=usable_cores())
        except (KeyboardInterrupt, SystemExit):
            print(f"interrupted; to go on: {_command(options)}")
            raise SystemExit(130) from None
        _tell(options, summary)


if __name__ == "__main__":
    main()
