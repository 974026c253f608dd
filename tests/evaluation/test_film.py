"""Films of several goals: who is told what, and that the arm goes on from where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

import latentrl.evaluation.film as module
from latentrl.envs import TASKS
from latentrl.envs.episodes import Episodes
from latentrl.envs.measures import Floats
from latentrl.envs.reacher.tasks import anywhere
from latentrl.evaluation.film import film_goals
from latentrl.evaluation.run import Run
from latentrl.evaluation.setting import Setting
from latentrl.evaluation.trials import Trial
from latentrl.goals.any_position import AnyGoal
from latentrl.models.base import WorldModel
from latentrl.models.spec import DataSpec

pytest.importorskip("dm_control")
STEPS = 5


class Scripted:
    """A stub of an agent that turns the shoulder with all its might, and notes the angles it is told."""

    def __init__(self, goal: Floats) -> None:
        self.goal = goal
        self.angles: list[Floats] = []
        self.velocities: list[Floats] = []

    def reset(self, seed: int | None = None) -> None:
        pass

    def act_on_truth(self, truth: Mapping[str, Floats]) -> NDArray[np.float32]:
        self.angles.append(truth["angles"])
        self.velocities.append(truth["velocities"])
        return np.array([[1.0, 0.0]], dtype=np.float32)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from latentrl.envs.reacher.env import ReacherEnv

    env = ReacherEnv(render_mode="rgb_array")
    try:
        env.reset(seed=0)
        env.render()
    except DependencyNotInstalled as error:
        pytest.skip(str(error))
    env.close()
    monkeypatch.setattr(module, "STEPS", STEPS)


@dataclass
class Contestants:
    """A stub that makes them, and keeps which."""

    episodes: Episodes
    agents: list[Scripted] = field(default_factory=list)

    def doubts(self) -> list[str]:
        return []

    def agent(self, index: int | None = None) -> Scripted:
        assert index == len(self.agents)
        self.agents.append(Scripted(self.episodes.only(index).goals))
        return self.agents[-1]


def _setting(episodes: Episodes, held_out: bool = False) -> Setting:
    task, count = replace(TASKS["reach"], held_out=held_out), len(episodes.goals)
    run = Run(Path("no run"), {}, Path("no data"))
    return Setting(Trial("scripted", "reach"), run, task, AnyGoal(), None, 1.0, count, episodes)


def _model(shape: tuple[int, ...] = (2,)) -> WorldModel:
    return SimpleNamespace(spec=DataSpec(shape, "float32", 2, (1.0, 1.0)))  # type: ignore[return-value]


def _film(held_out: bool) -> tuple[Episodes, list[Scripted], int]:
    drawn = anywhere(np.random.default_rng(0), 3)
    who = Contestants(drawn)
    frames = film_goals(_setting(drawn, held_out), who, _model())
    assert {frame.size for frame in frames} == {(2 * 192 + 6, 192 + 18)}
    return drawn, who.agents, len(frames)


def test_each_episode_begins_where_the_one_before_ended() -> None:
    drawn, agents, frames = _film(held_out=False)
    assert len(agents) == 3 and frames == 3 * STEPS
    np.testing.assert_array_equal(np.concatenate([agent.goal for agent in agents]), drawn.goals)
    np.testing.assert_allclose(agents[0].angles[0], drawn.starts["angles"][:1])
    for before, after in zip(agents, agents[1:], strict=False):
        # A push from standstill speeds the shoulder up: the next episode begins beyond the last angle told, in motion.
        assert after.angles[0][0, 0] > before.angles[-1][0, 0]
        assert after.velocities[0][0, 0] > before.velocities[-1][0, 0] > 0


def test_recorded_starts_stay_what_they_were() -> None:
    drawn, agents, _ = _film(held_out=True)
    for agent, start in zip(agents, drawn.starts["angles"], strict=True):
        np.testing.assert_allclose(agent.angles[0][0], start)


def test_a_picture_that_the_agent_was_shown_is_the_one_in_the_film() -> None:
    shown = np.full((1, 64, 64, 3), 200, np.uint8)
    drawn = replace(anywhere(np.random.default_rng(0), 1), observations=shown)
    frames = film_goals(_setting(drawn), Contestants(drawn), _model((64, 64, 3)))
    goal = np.asarray(frames[0].convert("RGB"))[18:, 192 + 6 :]
    assert np.abs(goal.astype(int) - 200).max() <= 8
