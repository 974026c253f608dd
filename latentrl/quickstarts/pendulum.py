"""The pendulum: from random frames to a swing-up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import CollectOptions
from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.evaluation.options import EvaluateOptions
from latentrl.metrics.prediction import predict_images
from latentrl.quickstarts.pendulum_report import barrel_png, write_report
from latentrl.quickstarts.plan import Plan, Showcase
from latentrl.runs.folder import load_model
from latentrl.support.commands import command
from latentrl.training.options import TrainOptions

STRIPS = 4
FIGURES = (
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


def _plan(out: Path, seed: int) -> Plan:
    """The verbs' defaults."""
    data, run = out / "data", out / "model"
    goal = str(data / "goal.png")
    return Plan(
        CollectOptions(out=data, seed=seed),
        TrainOptions(data=data, run=run, seed=seed, device="cpu"),
        LearnOptions(run=run, goal=goal, seed=seed),
        {
            ("policy",): EvaluateOptions(run=run, agent="policy", goal=goal, seed=seed),
            ("cem",): EvaluateOptions(run=run, agent="cem", goal=goal, seed=seed, video=False),
        },
    )


@torch.no_grad()
def _report(plan: Plan, summary: Mapping[str, Any], out: Path, seed: int) -> None:
    """Write ``report.html`` and the picture ``barrel.png``."""
    model = load_model(plan.train.folder)
    data, truth = load_sequences(plan.collect.folder, "test"), load_ground_truth(plan.collect.folder, "test")
    latents = model.smooth(data.observations, data.actions).mean.flatten(0, 1).numpy()
    angle, velocity = truth["angle"].ravel(), truth["velocity"].ravel()
    generator = torch.Generator().manual_seed(seed)
    predicted = predict_images(model, data[:STRIPS], generator)[..., 0].numpy()
    (out / "barrel.png").write_bytes(barrel_png(latents, angle, velocity))
    write_report(
        out / "report.html",
        summary,
        plan.history(),
        latents,
        angle,
        velocity,
        (truth["clean"][:STRIPS, ..., 0] / 255, predicted.clip(0, 1)),
        plan.film,
    )


def _headlines(summary: Mapping[str, Any]) -> list[str]:
    model = summary["model"]
    return [
        f"R² angle {model['r2_angle']:.4f}, velocity {model['r2_velocity']:.4f}; "
        f"prediction error {model['mse_predict_mean']:.2g} (mean image {model['mse_mean_image']:.2g})",
        *(
            f"swing-up, {name}: {result['successes']} of {result['episodes']}"
            for name, result in summary["control"].items()
        ),
    ]


def _next_command(out: Path) -> str:
    return command("evaluate", "--run", out / "model", "--goal", out / "data" / "goal.png", "--agent", "random")


PENDULUM = Showcase("pendulum", "to swing up", _plan, FIGURES, (), _report, _headlines, _next_command)
