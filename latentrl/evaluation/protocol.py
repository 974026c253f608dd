"""The protocol that every agent is judged by: episodes in the real environment, reached through Gymnasium alone.

The agent gets observations. Ground truth (``info``) goes to the task's measure and nowhere else, except to agents that
say of themselves that they act on it (:class:`TruthAgent`): the upper baselines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from PIL import Image

from latentrl import envs as environments
from latentrl.data_collection.making import FAILURES, failure, make_as_recorded
from latentrl.data_collection.rounds import recordable, reset
from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import TruthAgent
from latentrl.envs.episodes import Episodes
from latentrl.envs.measures import ENCODED, LENGTH, OBSERVED, REWARD, SPEEDS, Floats
from latentrl.envs.pixels import as_picture
from latentrl.envs.tasks import Task
from latentrl.evaluation.sensing import Losses
from latentrl.figures.video import side_by_side
from latentrl.support.errors import UserError, message_of
from latentrl.types import Agent

Pictures = dict[str, NDArray[np.uint8]]
WITNESSED = (OBSERVED, ENCODED, SPEEDS)
"""Entries of the truth that no environment tells, but a witness."""
GOALS = 3
"""Sets the noise of photographed goals apart from others that are seeded with the same number."""


@dataclass(frozen=True)
class Evaluation:
    """What happened in ``N`` episodes of ``T`` steps.

    Attributes:
        truth: ground truth after each step, ``{name: [T, N]}`` or ``[T, N, ...]``. Where an episode ended before T, it
            stays what it was at its end, its rewards are zero, and ``"length" [N]`` is among the entries.
        seconds: how long the agent took for each action, all episodes at once; as many as the longest episode had.
        arrived: which frames reached the agent, as many as that, ``[T, N]``.
    """

    truth: dict[str, Floats]
    seconds: Floats
    arrived: NDArray[np.bool_]


class Moment(NamedTuple):
    """Episodes on their way, for somebody who looks on; nothing of it is judged.

    Attributes:
        ended: which are over, ``[N]``.
        truth: makes what :class:`Evaluation` has of the steps so far, as if all ended now.
        seconds: that the agent took for each action so far.
    """

    ended: NDArray[np.bool_]
    truth: Callable[[], dict[str, Floats]]
    seconds: Floats


class Witness(Protocol):
    """Sees every frame and every action, and says what it makes of them: entries of the truth, for judging alone."""

    def begin(self, observation: NDArray[Any]) -> None:
        """New episodes begin with ``observation [N, ...]``."""
        ...

    def follow(self, action: NDArray[np.float32], observation: NDArray[Any]) -> dict[str, Floats]:
        """Entries ``[N, ...]`` after ``action [N, Du]`` led to ``observation [N, ...]``."""
        ...

    def constants(self, episodes: int) -> dict[str, Floats]:
        """Entries ``[N, ...]`` that stay the same."""
        ...


def run_episodes(
    agent: Agent | TruthAgent,
    task: Task,
    episodes: int = 50,
    seed: int = 0,
    losses: Losses | None = None,
    on_act: Callable[[], object] | None = None,
    witness: Witness | None = None,
    look: Callable[[Moment], object] | None = None,
) -> Evaluation:
    """Let ``agent`` act in ``episodes`` parallel episodes of ``task`` that differ in their noise.

    Args:
        agent: what acts.
        task: where, and for how long.
        episodes: N.
        seed: of the environment's noise, the agent's and the lost frames, each apart from the others.
        losses: how frames get lost; None stands for none. The agent then sees zeros, and which they are.
        on_act: called after each of the T actions.
        witness: tells what it sees in all episodes.
        look: shown the episodes after each step but the last; no action is timed meanwhile.

    Raises:
        ValueError: fewer than one episode.
        UserError: what the environment needs is not installed, it refuses the reset options, or it does not tell what
            the task's measure needs.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, not {episodes}")
    with _made(task, episodes) as envs:
        course = _Course(agent, task, envs, seed, losses, witness)
        for _ in course:
            if on_act is not None:
                on_act()
            if look is not None and course.done:
                look(course.moment)
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
    with _made(task, 1, render=True) as envs:
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


def drawn_goals(task: Task, coordinates: Sequence[Coordinate], count: int, seed: int = 0) -> Episodes:
    """The goals of ``count`` episodes as the environment itself draws them: what it observes after a reset for each.

    Args:
        task: one whose episodes draw their goals, by the options of a reset.
        coordinates: ``D`` that the true poses ``[count, D]`` are given in.
        count: N.
        seed: of the episodes; the goals have a stream of their own.

    Raises:
        UserError: the environment refuses the options, or does not tell a coordinate.
    """
    options = dict(task.goal_options or {})
    with _made(task, count) as envs:
        observation, info = reset(envs, _seed_of_goals(seed), options, "goal_options")
        _check_told(task, [one.key for one in coordinates], info)
        poses = [np.asarray(one.values(info), np.float64) for one in coordinates]
        return Episodes({}, np.stack(poses, -1) if poses else np.zeros((count, 0)), recordable(observation).copy())


def pictures_of_goals(task: Task, count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Pictures for people, ``[H, W, 3]``, of the goals that :func:`drawn_goals` draws for ``count`` episodes."""
    with _made(task, count, render=True) as envs:
        reset(envs, _seed_of_goals(seed), dict(task.goal_options or {}), "goal_options")
        rendered = envs.render()
        assert rendered is not None
        return [as_picture(one) for one in rendered]


def render_poses(task: Task, options: Mapping[str, Floats]) -> NDArray[np.uint8]:
    """A picture for people, ``[H, W, 3]``, of the task's environment right after a reset with ``options``."""
    with _made(task, 1, render=True) as envs:
        envs.reset(seed=0, options=dict(options))
        return _rendered(envs)


def _seed_of_goals(seed: int) -> int:
    """What environments are seeded with for goals, one more for each of them, where the episodes are with ``seed``."""
    # Room for one more in each of many episodes.
    return int(np.random.default_rng((seed, GOALS)).integers(2**31 - 2**20))


def _check_told(task: Task, names: Sequence[str], info: Mapping[str, Any]) -> None:
    missing = [name for name in names if name not in info]
    if missing:
        raise UserError(
            f"{task.env_id}: its info has no {', '.join(map(repr, missing))}, which the task is judged by; it "
            f"has {', '.join(map(repr, (key for key in info if not key.startswith('_')))) or 'nothing'}; "
            "correct the keys of the coordinates"
        )


@contextmanager
def _made(task: Task, episodes: int, render: bool = False) -> Iterator[VectorEnv]:
    """The task's environment, closed in the end; a simulator that is missing is the user's to install."""
    environments.register()
    try:
        if task.recorded:
            envs = make_as_recorded({**task.recorded, "env_kwargs": task.env_kwargs}, episodes, render)
        else:
            shown: dict[str, Any] = {"render_mode": "rgb_array"} if render else {}
            envs = gymnasium.make_vec(task.env_id, num_envs=episodes, **task.env_kwargs, **shown)
        try:
            yield envs
        finally:
            envs.close()
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"{task.env_id}: {message_of(error)}") from error


class _Course:
    """The episodes as they are run: iterating, what the agents were shown ``[N, ...]``, right after each action."""

    def __init__(
        self,
        agent: Agent | TruthAgent,
        task: Task,
        envs: VectorEnv,
        seed: int,
        losses: Losses | None,
        witness: Witness | None = None,
    ) -> None:
        self.agent, self.task, self.envs, self.seed, self.witness = agent, task, envs, seed, witness
        self.arrived = (losses or Losses()).arrivals(task.steps, envs.num_envs, seed)
        self.seconds = np.empty(task.steps)
        self.length = np.full(envs.num_envs, task.steps)
        self.told = [name for name in task.truth if name not in WITNESSED]
        self.truth: dict[str, list[Floats]] = {name: [] for name in self.told}
        self.ended = np.zeros(envs.num_envs, dtype=bool)
        self.done = 0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        self.agent.reset(self.seed)
        observation, info = self._reset()
        if self.witness is not None:
            self.witness.begin(observation)
        for step, seen in enumerate(self.arrived):
            shown = _blank_lost(observation, seen)
            action = self._timed_action(step, shown, seen, info)
            yield shown
            try:
                following, reward, terminated, truncated, info = self.envs.step(action)
            except FAILURES as error:
                raise failure(self.envs, "step", error) from error
            following, info = self._at_their_ends(following, info, terminated | truncated)
            # What has ended stands still: the environment may have begun another episode in its place.
            running = ~self.ended
            observation = following if running.all() else _where(running, following, observation)
            now = {name: self._entry(name, reward, info) for name in self.told}
            if self.witness is not None:
                now |= self.witness.follow(action, observation)
            for name, values in now.items():
                before = self.truth.setdefault(name, [])
                stays = np.zeros_like(values) if name == REWARD or not before else before[-1]
                before.append(values if running.all() else _where(running, values, stays))
            ended = running & (terminated | truncated)
            self.length[ended] = self.done = step + 1
            self.ended |= ended
            if self.ended.all():
                break

    @property
    def evaluation(self) -> Evaluation:
        """What happened, once all steps are done."""
        steps, done = self.task.steps, int(self.length.max())
        truth = {name: np.stack(values) for name, values in self.truth.items()}
        for name, values in truth.items() if done < steps else ():
            last = np.zeros_like(values[-1]) if name == REWARD else values[-1]
            truth[name] = np.concatenate((values, np.broadcast_to(last, (steps - done, *last.shape))))
        if (self.length < steps).any():
            truth[LENGTH] = self.length.astype(np.float64)
        if self.witness is not None:
            truth |= self.witness.constants(self.envs.num_envs)
        return Evaluation(truth, self.seconds[:done], self.arrived[:done])

    @property
    def moment(self) -> Moment:
        """What is known after the steps that are done, of which there is one at least."""
        return Moment(self.ended.copy(), self._so_far, self.seconds[: self.done + 1])

    def _so_far(self) -> dict[str, Floats]:
        truth = {name: np.stack(values) for name, values in self.truth.items()}
        if self.ended.any():
            truth[LENGTH] = np.minimum(self.length, self.done).astype(np.float64)
        return truth | ({} if self.witness is None else self.witness.constants(self.envs.num_envs))

    def _reset(self) -> tuple[NDArray[Any], Mapping[str, Any]]:
        try:
            observation, info = self.envs.reset(seed=self.seed, options=self.task.reset_options)
        except (TypeError, ValueError, KeyError) as error:
            if not self.task.recorded or not self.task.reset_options:
                raise failure(self.envs, "reset", error) from error
            raise UserError(
                f"{self.task.env_id}: its reset refuses the options {dict(self.task.reset_options)} ({error}); "
                "give others with --reset-options"
            ) from error
        except FAILURES as error:
            raise failure(self.envs, "reset", error) from error
        _check_told(self.task, [name for name in self.told if name != REWARD], info)
        return observation, info

    def _entry(self, name: str, reward: Any, info: Mapping[str, Any]) -> Floats:
        if name != REWARD and name not in info:
            raise UserError(f"{self.task.env_id}: its info told {name!r} after a reset, and not after a step")
        return np.array(reward if name == REWARD else info[name], dtype=np.float64)

    def _at_their_ends(
        self, observation: NDArray[Any], info: dict[str, Any], done: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """What was last of the episodes that are done, where the environment has begun the next ones already."""
        same_step = self.envs.metadata.get("autoreset_mode") == AutoresetMode.SAME_STEP
        if not same_step or not done.any() or "final_obs" not in info:
            return observation, info
        observation, final = np.array(observation), info.get("final_info", {})
        for index in np.flatnonzero(done):
            observation[index] = info["final_obs"][index]
        told = {
            name: _where(done, np.asarray(final[name]), np.asarray(info[name])) for name in self.told if name in final
        }
        return observation, {**info, **told}

    def _timed_action(
        self, step: int, shown: NDArray[Any], seen: NDArray[np.bool_], info: Mapping[str, Any]
    ) -> NDArray[np.float32]:
        if isinstance(self.agent, TruthAgent):
            names = (name for name in self.told if name != REWARD)
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
    return as_picture(rendered[0])


def _where(chosen: NDArray[np.bool_], values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """``values [N, ...]`` of the chosen ``[N]``, the others' of the rest."""
    return np.where(chosen.reshape(-1, *(1,) * (values.ndim - 1)), values, others)


def _blank_lost(observation: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[Any]:
    """The observations ``[N, ...]``, zero where no frame arrived: what is lost cannot leak."""
    if seen.all():
        return observation
    shown = observation.copy()
    shown[~seen] = 0
    return shown
