"""Films of several goals: who is told what, and that the arm goes on from where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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

pytest.importorskip("dm_control")
STEPS = 5


class Scripted:
    """Turns the shoulder with all its might, and notes the angles it is told."""

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


def _film(held_out: bool) -> tuple[Episodes, list[Scripted], int]:
    drawn = anywhere(np.random.default_rng(0), 3)
    agents: list[Scripted] = []

    def agent_for(episode: Episodes) -> Scripted:
        agents.append(Scripted(episode.goals))
        return agents[-1]

    task = replace(TASKS["reach"], held_out=held_out)
    frames = film_goals(agent_for, task, drawn, lambda agent: {})
    assert {frame.size for frame in frames} == {(2 * 192 + 6, 192 + 18)}
    return drawn, agents, len(frames)


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


def test_a_picture_that_the_agent_was_shown_is_the_one_in_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = anywhere(np.random.default_rng(0), 1)
    shown = np.full((1, 64, 64, 3), 200, np.uint8)
    frames = film_goals(
        lambda episode: Scripted(episode.goals), TASKS["reach"], replace(drawn, observations=shown), lambda agent: {}
    )
    goal = np.asarray(frames[0].convert("RGB"))[18:, 192 + 6 :]
    assert np.abs(goal.astype(int) - 200).max() <= 8
