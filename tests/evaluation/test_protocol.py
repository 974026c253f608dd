"""The protocol: episodes in the real environment, and who is told what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from latentrl.envs import TASKS
from latentrl.envs.measures import LENGTH, Floats
from latentrl.envs.pendulum.vector import PendulumVectorEnv
from latentrl.envs.tasks import Task
from latentrl.evaluation.protocol import Moment, demonstrate, run_episodes
from latentrl.evaluation.sensing import Losses
from latentrl.support.errors import UserError


class Scripted:
    """An agent that pushes with a fixed torque and keeps what it was shown."""

    def __init__(self, torque: float) -> None:
        self.torque = torque
        self.frames: list[np.ndarray] = []
        self.seen: list[NDArray[np.bool_] | None] = []
        self.resets: list[int | None] = []

    def reset(self, seed: int | None = None) -> None:
        self.resets.append(seed)

    def act(self, observation: np.ndarray, seen: NDArray[np.bool_] | None = None) -> np.ndarray:
        self.frames.append(observation.copy())
        self.seen.append(seen)
        return np.full((len(observation), 1), self.torque, dtype=np.float32)


def short(steps: int = 30, **kwargs: Any) -> Task:
    return replace(TASKS["swing-up"], steps=steps, seconds=None, env_kwargs={"torque_limit": 7.0, **kwargs})


def test_episodes_start_hanging_at_rest_and_differ_in_their_noise_alone() -> None:
    agent = Scripted(0.0)
    result = run_episodes(agent, short(), episodes=3, seed=1)
    assert agent.resets == [1]
    assert result.truth["angle"].shape == (30, 3) and result.seconds.shape == (30,)
    assert np.allclose(np.abs(result.truth["angle"]), math.pi, atol=1e-6)
    assert np.allclose(result.truth["velocity"], 0.0, atol=1e-6)
    assert agent.frames[0].shape == (3, 16, 16, 1) and agent.frames[0].dtype == np.uint8
    assert not np.array_equal(agent.frames[0][0], agent.frames[0][1])


def test_who_looks_on_sees_what_is_judged_in_the_end_as_far_as_it_has_come() -> None:
    moments: list[tuple[Moment, dict[str, Floats]]] = []
    whole = run_episodes(Scripted(1.0), short(steps=6), 2, look=lambda now: moments.append((now, now.truth())))
    assert [len(told["angle"]) for _, told in moments] == [1, 2, 3, 4, 5], "after each step but the last"
    for now, told in moments:
        steps = len(told["angle"])
        assert not now.ended.any() and LENGTH not in told and told.keys() == whole.truth.keys()
        assert all(np.array_equal(values, whole.truth[name][:steps]) for name, values in told.items())
        assert np.array_equal(now.seconds[:steps], whole.seconds[:steps])


def test_the_torque_limit_is_the_tasks() -> None:
    """A constant torque of 7 holds the pendulum far from hanging; the environment's own limit, 2, would not."""
    angle = run_episodes(Scripted(50.0), short(steps=8), episodes=1).truth["angle"]
    assert np.abs(angle).min() < 2.2


def test_the_same_seed_repeats_an_evaluation() -> None:
    agents = [Scripted(1.0) for _ in range(3)]
    for agent, seed in zip(agents, (5, 5, 6), strict=True):
        run_episodes(agent, short(steps=3), episodes=2, seed=seed)
    assert np.array_equal(agents[0].frames, agents[1].frames)
    assert not np.array_equal(agents[0].frames, agents[2].frames)


def test_success_is_judged_by_what_happened() -> None:
    task = replace(short(steps=60), reset_options={"angle": 0.0, "velocity": 0.0})
    for torque, upright in ((0.0, True), (1.0, False)):
        truth = run_episodes(Scripted(torque), task, episodes=2).truth
        success = task.measure(truth, task.control_step, None).success
        assert success is not None and success.tolist() == [upright] * 2


@pytest.mark.parametrize("call", ["step", "reset"])
def test_an_environment_that_fails_is_named(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any, **named: Any) -> Any:
        raise ZeroDivisionError("motor\noff")

    monkeypatch.setattr(PendulumVectorEnv, call, fails)
    with pytest.raises(UserError, match=rf"^--env latentrl/Pendulum-v0: its {call} raised ZeroDivisionError: motor"):
        run_episodes(Scripted(0.0), short(), episodes=2)


def test_what_the_environment_ends_early_stands_still() -> None:
    """A time limit of 5 steps: what follows is the next episode's, and nobody looks at it."""
    agent = Scripted(1.0)
    cut = run_episodes(agent, short(steps=10, max_episode_steps=5), episodes=2, seed=3)
    whole = run_episodes(Scripted(1.0), short(steps=5), episodes=2, seed=3)
    assert cut.truth[LENGTH].tolist() == [5.0, 5.0] and LENGTH not in whole.truth
    assert len(agent.frames) == len(cut.seconds) == len(cut.arrived) == 5
    angle = cut.truth["angle"]
    assert angle.shape == (10, 2) and np.array_equal(angle[:5], whole.truth["angle"])
    assert (angle[5:] == angle[4]).all() and not (angle[3] == angle[4]).any()


def test_lost_frames_are_told_and_blank_and_the_others_untouched() -> None:
    whole, lossy = Scripted(1.0), Scripted(1.0)
    run_episodes(whole, short(steps=40), episodes=4, seed=3)
    result = run_episodes(lossy, short(steps=40), episodes=4, seed=3, losses=Losses(drop=0.4))
    assert result.arrived.shape == (40, 4) and 0.2 < 1 - result.arrived.mean() < 0.6
    assert np.array_equal(np.array(lossy.seen), result.arrived)
    full, blank = np.array(whole.frames), np.array(lossy.frames)
    assert np.array_equal(blank[result.arrived], full[result.arrived]), "the environment's noise is another stream"
    assert not blank[~result.arrived].any() and full[~result.arrived].any(axis=(1, 2, 3)).all()


class Told:
    """An agent on ground truth that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Floats]] = []

    def reset(self, seed: int | None = None) -> None: ...

    def act_on_truth(self, truth: Mapping[str, Floats]) -> NDArray[np.float32]:
        self.told.append(truth)
        return np.full((len(truth["angle"]), 1), 2.0, dtype=np.float32)


def test_an_agent_on_ground_truth_is_told_the_state_it_acts_on() -> None:
    agent = Told()
    result = run_episodes(agent, short(steps=5), episodes=2)
    assert all(set(truth) == {"angle", "velocity"} for truth in agent.told)
    assert np.allclose(np.abs(agent.told[0]["angle"]), math.pi)
    assert np.array_equal(np.array([truth["angle"] for truth in agent.told[1:]]), result.truth["angle"][:-1])


def test_a_demonstration_shows_every_step() -> None:
    believed = {"believed": np.zeros((16, 16, 1), dtype=np.uint8)}
    _, frames = demonstrate(Scripted(3.0), short(steps=4), lambda: believed)
    assert len(frames) == 4
    assert np.asarray(frames[0]).tobytes() != np.asarray(frames[-1]).tobytes()
    _, fewer = demonstrate(Scripted(3.0), short(steps=1), dict)
    assert fewer[0].width < frames[0].width, "an agent without pictures of its own shows none"
