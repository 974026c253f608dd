"""The protocol that every agent is judged by: episodes in the real environment, reached through Gymnasium alone.

The agent gets observations. Ground truth (``info``) goes to the success rule and nowhere else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from PIL import Image

import latentrl.envs  # registers the environments
from latentrl.types import Agent
from latentrl.video import side_by_side

Truth = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Task:
    """What to do in which environment.

    Attributes:
        env_id: Gymnasium id.
        truth: the entries of ``info`` that ``success`` reads.
        success: ground truth after each step, ``{name: [T, N]}`` -> which episodes succeeded ``[N]``.
        steps: T, the length of an episode.
        env_kwargs: how the environment is made.
        reset_options: where an episode starts.
        description: one line for people.
    """

    env_id: str
    truth: tuple[str, ...]
    success: Callable[[Truth], NDArray[np.bool_]]
    steps: int
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    reset_options: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def with_env(self, **kwargs: Any) -> Task:
        """The same task in an environment that is made with some other arguments."""
        return replace(self, env_kwargs={**self.env_kwargs, **kwargs})


def stays_upright(truth: Truth, tolerance: float = 0.2, steps: int = 50) -> NDArray[np.bool_]:
    """Whether the angle (rad, 0 upright) stays within ``tolerance`` of upright through the last ``steps`` steps."""
    angle = truth["angle"][-steps:]
    distance = np.abs((angle + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray((distance <= tolerance).all(axis=0))


TASKS: dict[str, Task] = {
    "swing-up": Task(
        env_id=latentrl.envs.PENDULUM,
        truth=("angle",),
        success=stays_upright,
        steps=200,
        env_kwargs={"torque_limit": 7.0},
        reset_options={"angle": math.pi, "velocity": 0.0},
        description="from hanging at rest to within 0.2 rad of upright through the last 50 of 200 steps",
    ),
}


@dataclass(frozen=True)
class Evaluation:
    """What came of it.

    Attributes:
        success: per episode ``[N]``.
        truth: ground truth after each step, ``{name: [T, N]}``.
        seconds: how long the agent took for each action ``[T]``, all episodes at once.
    """

    success: NDArray[np.bool_]
    truth: dict[str, NDArray[np.float64]]
    seconds: NDArray[np.float64]


def run_episodes(
    agent: Agent,
    task: Task,
    episodes: int = 50,
    seed: int = 0,
    on_step: Callable[[], object] | None = None,
) -> Evaluation:
    """Let ``agent`` act in ``episodes`` parallel episodes of ``task`` that differ in their noise.

    Raises:
        ValueError: fewer than one episode, or the environment ended one before the task did.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, not {episodes}")
    envs = gymnasium.make_vec(task.env_id, num_envs=episodes, **task.env_kwargs)
    try:
        truth, seconds = _run(agent, task, envs, seed, lambda _: on_step and on_step())
    finally:
        envs.close()
    return Evaluation(task.success(truth), truth, seconds)


def demonstrate(
    agent: Agent, task: Task, decode: Callable[[], NDArray[np.uint8]], seed: int = 0
) -> tuple[Evaluation, list[Image.Image]]:
    """One episode for people: its evaluation and a frame for every step.

    Args:
        agent: what acts; alone in its batch, so the seconds are those of a single control loop.
        task: what to do.
        decode: the picture ``[H, W, C]`` uint8 that the agent believes in right after it acted.
        seed: of the environment and the agent.
    """
    envs = gymnasium.make_vec(task.env_id, num_envs=1, **task.env_kwargs, render_mode="rgb_array")
    frames: list[Image.Image] = []

    def film(observation: NDArray[Any]) -> None:
        rendered = envs.render()
        assert rendered is not None
        pictures = {"real": np.asarray(rendered[0]), "seen": observation[0], "believed": decode()}
        frames.append(side_by_side(pictures))

    try:
        truth, seconds = _run(agent, task, envs, seed, film)
    finally:
        envs.close()
    return Evaluation(task.success(truth), truth, seconds), frames


def _run(
    agent: Agent, task: Task, envs: VectorEnv, seed: int, on_act: Callable[[NDArray[Any]], object]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    agent.reset(seed)
    observation, _ = envs.reset(seed=seed, options=task.reset_options)
    record: dict[str, list[NDArray[np.float64]]] = {name: [] for name in task.truth}
    seconds = np.empty(task.steps)
    for step in range(task.steps):
        start = time.perf_counter()
        action = agent.act(observation)
        seconds[step] = time.perf_counter() - start
        on_act(observation)
        observation, _, terminated, truncated, info = envs.step(action)
        for name, values in record.items():
            values.append(np.array(info[name], dtype=np.float64))
        if step + 1 < task.steps and (terminated.any() or truncated.any()):
            raise ValueError(f"{task.env_id} ended an episode after {step + 1} of the task's {task.steps} steps")
    return {name: np.stack(values) for name, values in record.items()}, seconds


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a success rate (Wilson, 1927); it stays sensible at 0 and at all successes."""
    if not 0 <= successes <= episodes or episodes < 1:
        raise ValueError(f"cannot have {successes} successes in {episodes} episodes")
    z = 1.959963984540054
    rate, shrink = successes / episodes, 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def control_rate(seconds: NDArray[np.float64]) -> dict[str, float]:
    """Actions per second that the agent could give: ``hz_median``, and ``hz_p99`` that 99% of its actions reach."""
    return {"hz_median": float(1 / np.median(seconds)), "hz_p99": float(1 / np.quantile(seconds, 0.99))}
