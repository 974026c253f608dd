"""Learn a policy inside a model, for a goal that is one picture. Opens neither environment nor data."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from latentrl.agents.policies import (
    POLICIES,
    AnalyticGradient,
    AnalyticGradientOptions,
    Update,
    save_policy,
)
from latentrl.errors import UserError, reported
from latentrl.goals import read_goal
from latentrl.rewards import PositionReward
from latentrl.runs import load_model


@dataclass(frozen=True)
class LearnOptions:
    """Learn a policy that brings the system to a goal image, by imagining roll-outs in a trained model."""

    run: Path
    """The run folder of a trained model; the policy is written into it."""
    goal: Path = Path("data/pendulum/goal.png")
    """A picture of the goal, as the model's camera sees it."""
    policy: Literal["analytic-gradient"] = "analytic-gradient"
    """How the policy is learned."""
    torque: float = 7.0
    """Largest action, in the environment's units."""
    updates: int = 400
    """Gradient steps."""
    horizon: int = 30
    """Imagined steps per roll-out."""
    seed: int = 0
    """Of the first weights and of everything imagined."""


def learn(options: LearnOptions) -> Path:
    """Learn the policy and save it in the run folder; returns the path of its weights.

    Raises:
        UserError: no model in the run folder, an unsuitable goal image, a bad number.
    """
    if not 0.0 < options.torque < float("inf"):
        raise UserError(f"--torque {options.torque}: give a positive number")
    settings = _settings(options)
    model = load_model(options.run).requires_grad_(False)
    picture = read_goal(options.goal, model.spec.observation_shape)
    with torch.no_grad():
        goal = model.encode_goal(torch.from_numpy(picture))
    bound = torch.full((model.spec.action_size,), options.torque)
    learner = POLICIES[options.policy](
        model, PositionReward(goal), model.initial_distribution.sample, -bound, bound, settings, options.seed
    )
    path = learn_into(options.run, learner, {"goal": goal.tolist(), "torque": options.torque, "seed": options.seed})
    print(f"{path}: the policy")
    print(f"next: python -m latentrl.evaluate --run {options.run} --goal {options.goal}")
    return path


def learn_into(folder: Path, learner: AnalyticGradient, notes: dict[str, object]) -> Path:
    """Run ``learner`` to its end, or to Ctrl-C, and save policy and history in ``folder``.

    Writes ``policy.safetensors`` and ``policy.json`` (with ``notes`` and the settings), ``policy_history.csv`` and
    TensorBoard's log in ``policy_log/``. Returns the path of the weights.
    """
    updates = learner.options.updates
    history: list[Update] = []
    with SummaryWriter(str(folder / "policy_log")) as log, tqdm(total=updates, desc="learn", disable=None) as bar:
        try:
            for step in range(updates):
                update = learner.update()
                history.append(update)
                log.add_scalar("policy/mean_reward", update.mean_reward, step)
                log.add_scalar("policy/gradient_norm", update.gradient_norm, step)
                bar.set_postfix(reward=f"{update.mean_reward:.3f}", refresh=False)
                bar.update()
        except KeyboardInterrupt:
            print(f"interrupted after {len(history)} of {updates} updates: saving what there is")
    _write_history(folder / "policy_history.csv", history)
    settings = {**notes, "learner": asdict(learner.options), "updates_done": len(history)}
    return save_policy(learner.policy, folder, settings)


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl learn``."""
    with reported():
        learn(tyro.cli(LearnOptions, args=argv, prog="latentrl learn"))


def _settings(options: LearnOptions) -> AnalyticGradientOptions:
    try:
        return AnalyticGradientOptions(updates=options.updates, horizon=options.horizon)
    except ValueError as error:
        raise UserError(f"--updates {options.updates} --horizon {options.horizon}: {error}") from error


def _write_history(path: Path, history: Sequence[Update]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("update", *Update._fields))
        writer.writerows((step, *update) for step, update in enumerate(history))
    os.replace(partial, path)


if __name__ == "__main__":
    main()
