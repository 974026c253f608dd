"""Let an agent act in the real environment and count how often it succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import load_policy
from latentrl.errors import UserError, reported
from latentrl.evaluation import TASKS, control_rate, demonstrate, run_episodes, wilson_interval
from latentrl.goals import read_goal
from latentrl.models.base import WorldModel
from latentrl.rewards import PositionReward
from latentrl.runs import load_model, load_settings, write_json
from latentrl.video import write_gif

FRAMES_PER_SECOND = 10


@dataclass(frozen=True)
class EvaluateOptions:
    """Let an agent act in the real environment and count its successes."""

    run: Path
    """The run folder of a trained model."""
    agent: Literal["policy", "cem", "random"] = "policy"
    """What chooses the actions: the learned policy, a planner, or chance."""
    goal: Path = Path("data/pendulum/goal.png")
    """A picture of the goal, for planners; a policy has learned its own."""
    task: Literal["swing-up"] = "swing-up"
    """What to do, from where, and what counts as success."""
    episodes: int = 50
    """Parallel episodes, each with noise of its own."""
    torque: float = 7.0
    """Largest action, in the environment's units."""
    seed: int = 0
    """Of the environment's noise and the agent's."""
    video: bool = True
    """Film one more episode."""


def evaluate(options: EvaluateOptions) -> dict[str, Any]:
    """Evaluate, write ``evaluation_<agent>.json`` and ``.gif`` into the run folder, and return the former's contents.

    Raises:
        UserError: no model or policy in the run folder, an unsuitable goal image, a bad number.
    """
    _check(options)
    model = load_model(options.run).requires_grad_(False)
    recorded = load_settings(options.run)["data"]
    if recorded["env_id"] != TASKS[options.task].env_id:
        raise UserError(
            f"--run {options.run}: was trained on {recorded['env_id']}, but --task {options.task} takes place in "
            f"{TASKS[options.task].env_id}; give a run that was trained there"
        )
    return evaluate_model(model, options, recorded["env_kwargs"])


def evaluate_model(model: WorldModel, options: EvaluateOptions, env_kwargs: dict[str, Any]) -> dict[str, Any]:
    """`evaluate` for a model at hand, in the environment that ``env_kwargs`` made for its data, but for the torque."""
    agent = LatentAgent(model, make_controller(model, options))
    task = TASKS[options.task].with_env(**{**env_kwargs, "torque_limit": options.torque})
    with tqdm(total=task.steps, desc=f"evaluate {options.agent}", disable=None) as bar:
        result = run_episodes(agent, task, options.episodes, options.seed, bar.update)
    successes = int(result.success.sum())
    low, high = wilson_interval(successes, options.episodes)
    summary: dict[str, Any] = {
        "agent": options.agent,
        "task": options.task,
        "description": task.description,
        "episodes": options.episodes,
        "successes": successes,
        "success_rate": successes / options.episodes,
        "wilson_95": [low, high],
        "success": result.success.tolist(),
        "batch_control_rate": control_rate(result.seconds),
        "options": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(options).items()},
    }
    if options.video:
        shown, frames = demonstrate(agent, task, lambda: believed_picture(model, agent.belief.mean), options.seed)
        summary["control_rate"] = control_rate(shown.seconds)
        summary["video_episode_success"] = bool(shown.success[0])
        write_gif(options.run / f"evaluation_{options.agent}.gif", frames, FRAMES_PER_SECOND)
    path = options.run / f"evaluation_{options.agent}.json"
    write_json(path, summary)
    print(_table(summary))
    print(f"{path}: the figures" + (f"; {path.with_suffix('.gif')}: a video" if options.video else ""))
    print(_next_command(options))
    return summary


def make_controller(model: WorldModel, options: EvaluateOptions) -> Controller:
    """The controller that ``options`` name."""
    bound = torch.full((model.spec.action_size,), options.torque)
    if options.agent == "random":
        return RandomController(-bound, bound)
    if options.agent == "policy":
        if not (options.run / "policy.safetensors").is_file():
            raise UserError(f"--run {options.run}: holds no policy; learn one: latentrl learn --run {options.run}")
        return PolicyController(load_policy(options.run))
    picture = read_goal(options.goal, model.spec.observation_shape)
    with torch.no_grad():
        reward = PositionReward(model.encode_goal(torch.from_numpy(picture)))
    return PlannerController(PLANNERS[options.agent](-bound, bound), model, reward)


@torch.no_grad()
def believed_picture(model: WorldModel, state: Tensor) -> NDArray[np.uint8]:
    """The picture ``[H, W, C]`` uint8 that the model decodes from the first of the states ``[N, Dz]``."""
    picture = model.emission(state[:1].float()).mean[0]
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl evaluate``."""
    with reported():
        evaluate(tyro.cli(EvaluateOptions, args=argv, prog="latentrl evaluate"))


def _check(options: EvaluateOptions) -> None:
    if options.episodes < 1:
        raise UserError(f"--episodes {options.episodes}: give one or more")
    if not 0.0 < options.torque < float("inf"):
        raise UserError(f"--torque {options.torque}: give a positive number")


def _table(summary: dict[str, Any]) -> str:
    low, high = summary["wilson_95"]
    rate = summary.get("control_rate", summary["batch_control_rate"])
    return (
        f"{'agent':<8} {'task':<10} {'successes':>10} {'rate':>6}  {'95% interval':<14} {'control rate':>12}\n"
        f"{summary['agent']:<8} {summary['task']:<10} {summary['successes']:>4} of {summary['episodes']:<3}"
        f"{summary['success_rate']:>6.0%}  {low:.3f} to {high:.3f} {rate['hz_median']:>9.0f} Hz"
    )


def _next_command(options: EvaluateOptions) -> str:
    other = {"policy": "cem", "cem": "random", "random": "policy"}[options.agent]
    return f"next: python -m latentrl.evaluate --run {options.run} --goal {options.goal} --agent {other}"


if __name__ == "__main__":
    main()
