"""Everything once: collect, train, learn, evaluate, and a report to look at."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from latentrl.collect import CollectOptions, collect
from latentrl.data_collection.storage import load_ground_truth, load_metadata, load_sequences
from latentrl.errors import UserError, reported
from latentrl.evaluate import EvaluateOptions, evaluate
from latentrl.figures import latent_barrel, to_png
from latentrl.learn import LearnOptions, learn
from latentrl.metrics import predict_images
from latentrl.report import write_report
from latentrl.runs import HISTORY, SETTINGS, load_model, read_json, write_json
from latentrl.stages import Stages
from latentrl.train import TrainOptions, train

STAGES = "stages.json"
STRIPS = 4
MODEL_FIGURES = (
    "r2_angle",
    "r2_velocity",
    "r2_velocity_from_velocity_dims",
    "r2_angle_from_position_dims",
    "mse_predict_mean",
    "mse_predict_median",
    "mse_mean_image",
    "mse_reconstruction",
    "test_elbo_per_step",
    "train_seconds",
)


@dataclass(frozen=True)
class QuickstartOptions:
    """Swing up a pendulum seen through a camera: collect, train, learn, evaluate once, with a report.

    Run again, it goes on where it stopped; what is finished is not repeated.
    """

    out: Path = Path("runs/quickstart")
    """The folder for everything."""
    seed: int = 0
    """Of the data, the training, the policy and the evaluation."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Start afresh: remove what an earlier quickstart left in the folder."""


@dataclass(frozen=True)
class Plan:
    """The options of every verb that a quickstart calls."""

    collect: CollectOptions
    train: TrainOptions
    learn: LearnOptions
    policy: EvaluateOptions
    cem: EvaluateOptions

    @classmethod
    def of(cls, options: QuickstartOptions) -> Plan:
        """The verbs' defaults, in the quickstart's folders and with its seed."""
        data, run, seed = options.out / "data", options.out / "model", options.seed
        goal = data / "goal.png"
        return cls(
            CollectOptions(out=data, seed=seed),
            TrainOptions(data=data, run=run, seed=seed, device="cpu"),
            LearnOptions(run=run, goal=str(goal), seed=seed),
            EvaluateOptions(run=run, agent="policy", goal=str(goal), seed=seed),
            EvaluateOptions(run=run, agent="cem", goal=str(goal), seed=seed, video=False),
        )


def quickstart(options: QuickstartOptions, plan: Plan | None = None) -> dict[str, Any]:
    """Do what is not done yet; returns the contents of ``summary.json``.

    Args:
        options: where, and from which seed.
        plan: the verbs' options, for a run of another size; its folders are those of `Plan.of`.

    Raises:
        UserError: the folder holds something else, or a run with another seed.
    """
    plan = plan or Plan.of(options)
    stages = _open(options)
    steps: dict[str, Callable[[], object]] = {
        "collect": lambda: collect(replace(plan.collect, overwrite=plan.collect.folder.exists())),
        "train": lambda: train(replace(plan.train, resume=(plan.train.folder / SETTINGS).exists())),
        "learn": lambda: _learn(plan.learn),
        "evaluate the policy": lambda: evaluate(plan.policy),
        "evaluate the planner": lambda: evaluate(plan.cem),
    }
    for number, (name, work) in enumerate(steps.items(), start=1):
        done = " (done before)" if name in stages.finished else ""
        print(f"[{number}/{len(steps)}] {name}{done}", flush=True)
        with _next_commands_hidden():
            stages.run(name, work)
    summary = summarise(plan, stages.total_seconds)
    write_json(options.out / "summary.json", summary)
    report(plan, summary, options)
    return summary


def summarise(plan: Plan, wall_seconds: float) -> dict[str, Any]:
    """What the verbs wrote, in the form of ``summary.json``; ``wall_seconds`` is the time of all verbs together."""
    figures = read_json(plan.train.folder / "metrics.json", "start afresh with --overwrite")
    splits = load_metadata(plan.collect.folder)["splits"]
    control = {}
    for name, evaluation in (("policy", plan.policy), ("cem", plan.cem)):
        result = read_json(evaluation.run / f"evaluation_{evaluation.agent}.json", "start afresh with --overwrite")
        control[name] = {"episodes": result["episodes"], "successes": result["successes"]}
    return {
        "frames_collected": sum(split["sequences"] * split["length"] for split in splits.values()),
        "model": {name: figures[name] for name in MODEL_FIGURES},
        "control": control,
        "wall_seconds": round(wall_seconds, 1),
    }


@torch.no_grad()
def report(plan: Plan, summary: dict[str, Any], options: QuickstartOptions) -> None:
    """Write ``report.html`` and the picture ``barrel.png`` about the finished run."""
    model = load_model(plan.train.folder)
    data, truth = load_sequences(plan.collect.folder, "test"), load_ground_truth(plan.collect.folder, "test")
    latents = model.smooth(data.observations, data.actions).mean.flatten(0, 1).numpy()
    angle, velocity = truth["angle"].ravel(), truth["velocity"].ravel()
    generator = torch.Generator().manual_seed(options.seed)
    predicted = predict_images(model, data[:STRIPS], generator)[..., 0].numpy()
    (options.out / "barrel.png").write_bytes(to_png(latent_barrel(latents, angle, velocity), dpi=100))
    write_report(
        options.out / "report.html",
        summary,
        read_history(plan.train.folder / HISTORY),
        latents,
        angle,
        velocity,
        (truth["clean"][:STRIPS, ..., 0] / 255, predicted.clip(0, 1)),
        plan.policy.run / f"evaluation_{plan.policy.agent}.gif",
    )


def read_history(path: Path) -> dict[str, np.ndarray]:
    """The columns ``[N]`` of a training's ``history.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else ())}


def _learn(options: LearnOptions) -> None:
    """Learn the policy to its end: on Ctrl-C the verb keeps a half-learned one, which is no finished step here."""
    learn(options)
    settings = read_json(options.run / "policy.json", "start afresh with --overwrite")["settings"]
    if settings["updates_done"] < options.updates:
        raise KeyboardInterrupt


def _open(options: QuickstartOptions) -> Stages:
    """The quickstart's folder, emptied if asked for, and what is finished in it."""
    out = options.out
    if out.exists() and any(out.iterdir()) and not (out / STAGES).is_file():
        raise UserError(f"{out} holds something else than a quickstart, so it stays; give another folder with --out")
    if options.overwrite and out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    stages = Stages(out / STAGES, {"seed": options.seed})
    stages.save()
    return stages


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
                print(f"      {line}")


def _tell(options: QuickstartOptions, summary: dict[str, Any]) -> None:
    model, control = summary["model"], summary["control"]
    print(f"\nR² angle {model['r2_angle']:.4f}, velocity {model['r2_velocity']:.4f}; ", end="")
    print(f"prediction error {model['mse_predict_mean']:.2g} (mean image {model['mse_mean_image']:.2g})")
    for name, result in control.items():
        print(f"swing-up, {name}: {result['successes']} of {result['episodes']}")
    print(f"{summary['wall_seconds']:.0f} s in all")
    print(f"{options.out / 'report.html'}: open it in a browser; {options.out / 'summary.json'}: the figures")
    run, goal = options.out / "model", options.out / "data" / "goal.png"
    print(f"next: python -m latentrl.evaluate --run {run} --goal {goal} --agent random")


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl quickstart``."""
    with reported():
        options = tyro.cli(QuickstartOptions, args=argv, prog="latentrl quickstart")
        try:
            summary = quickstart(options)
        except (KeyboardInterrupt, SystemExit):
            command = f"python -m latentrl.quickstart --out {options.out} --seed {options.seed}"
            print(f"interrupted; to go on: {command}")
            raise SystemExit(130) from None
        _tell(options, summary)


if __name__ == "__main__":
    main()
