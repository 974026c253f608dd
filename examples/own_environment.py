"""Your own environment, from pictures to control, in one script: a car in a valley that is too steep to drive out of.

    pip install "gymnasium[classic-control]"    # pygame draws the pictures
    python examples/own_environment.py          # some minutes; --quick goes through in seconds and reaches nothing

Gymnasium's MountainCarContinuous-v0 stands for your environment. The model sees 24 x 24 grey pictures and the actions,
the goal is one picture of the car at the flag; neither reward nor state is read, but to judge the result at the end.
docs/own-environment.md goes through every choice made here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import tyro
from PIL import Image

from latentrl.agents import Controller, LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.agents.options import LearnOptions
from latentrl.agents.planners import CEM, CEMOptions
from latentrl.agents.policies import load_policy
from latentrl.collect import CollectOptions, collect
from latentrl.data_collection.making import make
from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.envs.pixels import PixelObservation
from latentrl.envs.repeat import ActionRepeat
from latentrl.figures.video import side_by_side, write_gif
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.learn import learn
from latentrl.metrics.prediction import predict_images
from latentrl.models.base import WorldModel
from latentrl.numerics.regression import ols_r2
from latentrl.numerics.statistics import wilson_interval
from latentrl.runs.folder import load_model
from latentrl.support.errors import reported
from latentrl.support.files import write_json
from latentrl.train import train
from latentrl.training.options import TrainOptions

CAR = "own/MountainCar-v0"
SIZE = 24
REPEAT = 4
"""Environment steps that an action is held for: a single one moves the car by less than a pixel."""
CEM_OPTIONS = CEMOptions(horizon=30, samples=64, iterations=3, elites=16, warm_std=0.5, kept_elites=0)
"""Far enough to see the flag from the valley, which takes one swing to the left, and cheap."""
GOAL = 0.5
"""Where the car stands in the picture of the goal; the flag is at 0.45, and the episode ends there."""


def make_car(**kwargs: Any) -> gymnasium.Env[Any, Any]:
    """The environment as the model is to know it: put your own here."""
    return ActionRepeat(gymnasium.make("MountainCarContinuous-v0", **kwargs), REPEAT)


gymnasium.register(CAR, entry_point=make_car)


@dataclass(frozen=True)
class Options:
    """Collect, train, learn and evaluate in MountainCarContinuous-v0, seen through a camera."""

    out: Path = Path("runs/own_environment")
    """The folder for everything; what an earlier run left in it is replaced."""
    seed: int = 0
    """Of data, training, policy and evaluation."""
    quick: bool = False
    """The same way in seconds, with too little of everything: a test of the script."""


def main() -> None:
    """Everything once."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    options = tyro.cli(Options)
    with reported():
        figures = run(options)
    print(json.dumps(figures, indent=2))


def run(options: Options) -> dict[str, Any]:
    """From the environment to the figures, which are also written to ``figures.json``."""
    data, folder = options.out / "data", options.out / "model"
    goal = data / "goal.png"
    quick, seed = options.quick, options.seed
    collect(
        CollectOptions(
            env=CAR,
            out=data,
            sequences=12 if quick else 500,
            test_sequences=4 if quick else 200,
            length=6 if quick else 16,
            pixels=SIZE,
            grey=True,
            hold=0.8,
            reset_options={
                "low": -1.2,
                "high": 0.6,
            },  # all along the valley, where an episode would start at its bottom
            num_envs=4 if quick else 50,
            seed=seed,
            overwrite=data.exists(),
        )
    )
    photograph(GOAL, goal)
    steps = 8 if quick else 2500
    train(TrainOptions(data=data, run=folder, standardise=True, steps=steps, seed=seed, overwrite=folder.exists()))
    learn(LearnOptions(run=folder, goal=str(goal), torque=1.0, updates=2 if quick else 300, seed=seed))

    model = load_model(folder).requires_grad_(False)
    strips(model, data, options.out / "predictions.png", seed)
    figures: dict[str, Any] = r_squared(model, data)
    episodes, steps = (2, 3) if quick else (50, 60)
    for name, agent in agents(model, folder, goal).items():
        figures[name] = evaluate(agent, episodes, steps, seed)
    film(agents(model, folder, goal)["policy"], model, options.out / "policy.gif", steps, seed)
    write_json(options.out / "figures.json", figures)
    return figures


def photograph(position: float, path: Path) -> None:
    """The picture of a goal, taken with the camera that recorded the data."""
    env = PixelObservation(make_car(render_mode="rgb_array"), SIZE, grey=True)
    picture, _ = env.reset(options={"low": position, "high": position + 1e-6})
    env.close()
    Image.fromarray(picture[..., 0]).save(path)


def agents(model: WorldModel, folder: Path, goal: Path) -> dict[str, LatentAgent]:
    """The learned policy, a planner with the same goal, and chance."""
    bound = torch.ones(model.spec.action_size)
    reward = goal_reward(parse_goal(str(goal)), model, folder)
    controllers: dict[str, Controller] = {
        "policy": PolicyController(load_policy(folder)),
        "cem": PlannerController(CEM(-bound, bound, CEM_OPTIONS), model, reward),
        "random": RandomController(-bound, bound),
    }
    return {name: LatentAgent(model, controller) for name, controller in controllers.items()}


def evaluate(agent: LatentAgent, episodes: int, steps: int, seed: int) -> dict[str, Any]:
    """How many episodes reach the flag, from where the environment starts them, and after how many of its own steps."""
    envs = make(CAR, {}, episodes, SIZE, grey=True)
    observation, _ = envs.reset(seed=10_000 + seed)
    agent.reset(seed)
    arrival = np.full(episodes, np.inf)
    for step in range(steps):
        observation, _, terminated, _, _ = envs.step(agent.act(observation))
        arrival = np.where(terminated, np.minimum(arrival, (step + 1) * REPEAT), arrival)
    envs.close()
    reached = np.isfinite(arrival)
    successes = int(reached.sum())
    median = float(np.median(arrival[reached])) if successes else None
    interval = wilson_interval(successes, episodes)
    return {"reached": successes, "episodes": episodes, "wilson_95": interval, "median_steps": median}


def r_squared(model: WorldModel, data: Path) -> dict[str, float]:
    """How much of the car's true position and velocity a linear map of the latent state tells, on the test split."""
    recorded, truth = load_sequences(data, "test"), load_ground_truth(data, "test")["state"].reshape(-1, 2)
    states = model.smooth(recorded.observations, recorded.actions).mean.flatten(0, 1).numpy()
    return {"r2_position": ols_r2(states, truth[:, 0]), "r2_velocity": ols_r2(states, truth[:, 1])}


def strips(model: WorldModel, data: Path, path: Path, seed: int) -> None:
    """Three recorded sequences, and under each its prediction: all but the first five pictures from actions alone."""
    recorded = load_sequences(data, "test")[:3]
    predicted = predict_images(model, recorded, torch.Generator().manual_seed(seed)).clamp(0, 1).mul(255).byte()
    pairs = torch.stack((recorded.observations, predicted), 1).flatten(0, 1)[..., 0]
    rows, steps, height, width = pairs.shape
    pixels = pairs.transpose(1, 2).reshape(rows * height, steps * width).numpy()
    image = Image.fromarray(pixels)
    image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST).save(path)


def film(agent: LatentAgent, model: WorldModel, path: Path, steps: int, seed: int) -> None:
    """One more episode: the real car, what the agent sees of it, and what it believes."""
    env = PixelObservation(make_car(render_mode="rgb_array"), SIZE, grey=True)
    observation, _ = env.reset(seed=seed)
    agent.reset(seed)
    frames: list[Image.Image] = []
    ended = False
    while not ended and len(frames) < steps:
        action = agent.act(observation[None])[0]
        believed = model.emission(agent.belief.mean.float()).mean[0].clamp(0, 1).mul(255).byte().numpy()
        frames.append(side_by_side({"real": np.asarray(env.render()), "seen": observation, "believed": believed}))
        observation, _, ended, _, _ = env.step(action)
    env.close()
    write_gif(path, frames, frames_per_second=10)


if __name__ == "__main__":
    main()
