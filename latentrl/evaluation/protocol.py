"""The protocol that every agent is judged by: episodes in the real environment, reached through Gymnasium alone.

The agent gets observations. Ground truth (``info``) goes to the task's measure and nowhere else, except to agents that
say of themselves that they act on it (:class:`TruthAgent`): the upper baselines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from PIL import Image

from latentrl import envs as environments
from latentrl.envs.description import TruthAgent
from latentrl.envs.measures import REWARD, Floats
from latentrl.envs.tasks import Task
from latentrl.evaluation.sensing import Losses
from latentrl.figures.video import side_by_side
from latentrl.support.errors import UserError
from latentrl.types import Agent

Pictures = dict[str, NDArray[np.uint8]]
GOALS = 3
"""Sets the noise of photographed goals apart from others that are seeded with the same number."""


@dataclass(frozen=True)
class Evaluation:
    """What happened in ``N`` episodes of ``T`` steps.

    Attributes:
        truth: ground truth after each step, ``{name: [T, N]}`` or ``[T, N, ...]``.
        seconds: how long the agent took for each action ``[T]``, all episodes at once.
        arrived: which frames reached the agent, ``[T, N]``.
    """

    truth: dict[str, Floats]
    seconds: Floats
    arrived: NDArray[np.bool_]


def run_episodes(
    agent: Agent | TruthAgent,
    task: Task,
    episodes: int = 50,
    seed: int = 0,
    losses: Losses | None = None,
    on_act: Callable[[], object] | None = None,
) -> Evaluation:
    """Let ``agent`` act in ``episodes`` parallel episodes of ``task`` that differ in their noise.

    Args:
        agent: what acts.
        task: where, and for how long.
        episodes: N.
        seed: of the environment's noise, the agent's and the lost frames, each apart from the others.
        losses: how frames get lost; None stands for none. The agent then sees zeros, and which they are.
        on_act: called after each of the T actions.

    Raises:
        ValueError: fewer than one episode, or the environment ended one before the task did.
        UserError: what the environment needs is not installed.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, not {episodes}")
    with _made(task, episodes) as envs:
        course = _Course(agent, task, envs, seed, losses)
        for _ in course:
            if on_act is not None:
                on_act()
        return course.evaluation


def demonstrate(
    agent: Agent | TruthAgent,
    task: Task,
    believed: Callable[[], Pictures],
    seed: int = 0,
    losses: Losses | None = None,
) -> tuple[Evaluation, list[Image.Image]]:
    """One episode for people: its evaluation and a frame for every step.

    Args:
        agent: what acts; alone in its batch, so the seconds are those of a single control loop.
        task: what to do.
        believed: pictures ``[H, W, C]`` uint8 of what the agent believes in right after it acted, by caption.
        seed: as for `run_episodes`.
        losses: as for `run_episodes`; a lost frame is shown black.
    """
    with _made(task, 1, render_mode="rgb_array") as envs:
        course = _Course(agent, task, envs, seed, losses)
        frames = [_frame(envs, shown, believed()) for shown in course]
        return course.evaluation, frames


def photographs(task: Task, poses: Floats, seed: int = 0) -> NDArray[Any]:
    """Observations ``[N, ...]`` of the true ``poses [N, D]`` in the task's environment, with its sensors' noise.

    ``seed`` is that of the episodes; the noise is another.
    """
    with _made(task, 1) as envs:
        envs.reset(seed=int(np.random.default_rng((seed, GOALS)).integers(2**31)))
        return np.asarray(envs.photograph(poses))  # type: ignore[attr-defined]


def render_poses(task: Task, options: Mapping[str, Floats]) -> NDArray[np.uint8]:
    """A picture for people, ``[H, W, 3]``, of the task's environment right after a reset with ``options``."""
    with _made(task, 1, render_mode="rgb_array") as envs:
        envs.reset(seed=0, options=dict(options))
        return _rendered(envs)


@contextmanager
def _made(task: Task, episodes: int, **more: Any) -> Iterator[VectorEnv]:
    """The task's environment, closed in the end; a simulator that is missing is the user's to install."""
    environments.register()
    try:
        envs = gymnasium.make_vec(task.env_id, num_envs=episodes, **task.env_kwargs, **more)
        try:
            yield envs
        finally:
            envs.close()
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"{task.env_id}: {' '.join(str(error).split())}") from error


class _Course:
    """The episodes as they are run: iterating, what the agents were shown ``[N, ...]``, right after each action."""

    def __init__(
        self, agent: Agent | TruthAgent, task: Task, envs: VectorEnv, seed: int, losses: Losses | None
    ) -> None:
        self.agent, self.task, self.envs, self.seed = agent, task, envs, seed
        self.arrived = (losses or Losses()).arrivals(task.steps, envs.num_envs, seed)
        self.seconds = np.empty(task.steps)
        self.truth: dict[str, list[Floats]] = {name: [] for name in task.truth}

    def __iter__(self) -> Iterator[NDArray[Any]]:
        self.agent.reset(self.seed)
        observation, info = self.envs.reset(seed=self.seed, options=self.task.reset_options)
        for step, seen in enumerate(self.arrived):
            shown = _blank_lost(observation, seen)
            action = self._timed_action(step, shown, seen, info)
            yield shown
            observation, reward, terminated, truncated, info = self.envs.step(action)
            for name, values in self.truth.items():
                values.append(np.array(reward if name == REWARD else info[name], dtype=np.float64))
            if step + 1 < self.task.steps and (terminated.any() or truncated.any()):
                raise ValueError(
                    f"{self.task.env_id} ended an episode after {step + 1} of the task's {self.task.steps} steps"
                )

    @property
    def evaluation(self) -> Evaluation:
        """What happened, once all steps are done."""
        return Evaluation({name: np.stack(values) for name, values in self.truth.items()}, self.seconds, self.arrived)

    def _timed_action(
        self, step: int, shown: NDArray[Any], seen: NDArray[np.bool_], info: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        if isinstance(self.agent, TruthAgent):
            names = (name for name in self.task.truth if name != REWARD)
            truth = {name: np.asarray(info[name], dtype=np.float64) for name in names}
            start = time.perf_counter()
            action = self.agent.act_on_truth(truth)
        else:
            start = time.perf_counter()
            action = self.agent.act(shown, seen)
        self.seconds[step] = time.perf_counter() - start
        return action


def _frame(envs: VectorEnv, shown: NDArray[Any], believed: Pictures) -> Image.Image:
    """The first episode for people: the environment, what was seen of it if that is a picture, what is believed."""
    seen = {"seen": shown[0]} if shown.dtype == np.uint8 and shown.ndim == 4 else {}
    return side_by_side({"real": _rendered(envs), **seen, **believed})


def _rendered(envs: VectorEnv) -> NDArray[np.uint8]:
    rendered = envs.render()
    assert rendered is not None
    return np.asarray(rendered[0])


def _blank_lost(observation: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[Any]:
    """The observations ``[N, ...]``, zero where no frame arrived: what is lost cannot leak."""
    if seen.all():
        return observation
    shown = observation.copy()
    shown[~seen] = 0
    return shown
