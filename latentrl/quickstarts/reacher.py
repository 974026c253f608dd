"""The reacher: from random motion to pictured poses, observed by its joint angles or by a camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import CollectOptions
from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.envs import TASKS
from latentrl.evaluation.options import EvaluateOptions
from latentrl.metrics.prediction import predict_images
from latentrl.quickstarts.plan import Plan, Showcase
from latentrl.quickstarts.reacher_report import ANGLES, PIXELS, Words, write_report
from latentrl.runs.folder import load_model
from latentrl.support.commands import command
from latentrl.training.options import TrainOptions

TASKS_SHOWN = ("reach", "reach-ahead")
AGENTS = ("policy", "cem")
SHOWN, STRIPS = 100, 4
"""Held-out sequences in the picture of the latent space, and in that of the predictions."""
FIGURES = (
    "r2_shoulder",
    "r2_wrist",
    "r2_shoulder_velocity",
    "r2_wrist_velocity",
    "r2_shoulder_velocity_neighbours",
    "r2_wrist_velocity_neighbours",
    "mse_predict_mean",
    "mse_predict_median",
    "mse_reconstruction",
    "test_elbo_per_step",
    "train_seconds",
)
MEASURES = ("shoulder_error", "wrist_error", "seconds_to_goal")


@dataclass(frozen=True)
class Arm:
    """What depends on whether angles or pictures are observed.

    Attributes:
        observation: "angles" or "pixels".
        state_size: dimensions of the latent state.
        position_size: those of its position: an angle that closes to a circle takes two.
        steps: of the training.
        words: of the report.
    """

    observation: Literal["angles", "pixels"]
    state_size: int
    position_size: int
    steps: int
    words: Words

    def plan(self, out: Path, seed: int) -> Plan:
        """The verbs' defaults for the reacher, and the options that depend on what is observed."""
        data, run = out / "data", out / "model"
        return Plan(
            CollectOptions(env="reacher", env_kwargs={"observation": self.observation}, out=data, seed=seed),
            TrainOptions(
                data=data,
                run=run,
                standardise=True,
                state_size=self.state_size,
                position_size=self.position_size,
                steps=self.steps,
                seed=seed,
                device="cpu",
            ),
            LearnOptions(run=run, goal="any", torque=TASKS[TASKS_SHOWN[0]].torque, seed=seed),
            {
                (task, agent): EvaluateOptions(run=run, agent=agent, task=task, seed=seed, video=task == TASKS_SHOWN[0])
                for task in TASKS_SHOWN
                for agent in AGENTS
            },
        )

    @torch.no_grad()
    def report(self, plan: Plan, summary: Mapping[str, Any], out: Path, seed: int) -> None:
        """Write ``report.html``."""
        model = load_model(plan.train.folder)
        data, truth = load_sequences(plan.collect.folder, "test"), load_ground_truth(plan.collect.folder, "test")
        shown, chosen = data[:SHOWN], data[:STRIPS]
        latents = model.smooth(shown.observations, shown.actions).mean[..., : model.position_size]
        predicted = predict_images(model, chosen, torch.Generator().manual_seed(seed)).numpy()
        # The sensors' noise is nothing that can be predicted; the camera has none.
        true = truth["angles"][: len(chosen)]
        if self.words is PIXELS:
            true, predicted = chosen.observations.numpy() / 255, predicted.clip(0, 1)
        write_report(
            out / "report.html",
            self.words,
            summary,
            plan.history(),
            latents.flatten(0, 1).numpy(),
            truth["angles"][: len(shown)].reshape(-1, 2),
            (true, predicted),
            TASKS[TASKS_SHOWN[0]].control_step,
            plan.film,
        )

    def showcase(self, name: str) -> Showcase:
        """What a quickstart shows of it."""
        figures = (*FIGURES, self.words.mean)
        return Showcase(
            name,
            "an arm that reaches pictured goals",
            self.plan,
            figures,
            MEASURES,
            self.report,
            _headlines,
            _next_command,
        )


def _headlines(summary: Mapping[str, Any]) -> list[str]:
    model = summary["model"]
    return [
        f"R² shoulder {model['r2_shoulder']:.4f}, wrist {model['r2_wrist']:.4f}, velocities "
        f"{model['r2_shoulder_velocity']:.3f} and {model['r2_wrist_velocity']:.3f}; "
        f"prediction error {model['mse_predict_mean']:.2g}",
        *(
            f"{task}, {agent}: {result['successes']} of {result['episodes']}"
            for task, results in summary["control"].items()
            for agent, result in results.items()
        ),
    ]


def _next_command(out: Path) -> str:
    return command("evaluate", "--run", out / "model", "--task", "reacher-easy", "--agent", "cem")


REACHER_ANGLES = Arm("angles", state_size=4, position_size=2, steps=8000, words=ANGLES).showcase("reacher")
REACHER_PIXELS = Arm("pixels", state_size=5, position_size=3, steps=16_000, words=PIXELS).showcase("reacher-pixels")
