"""A shipped run's imagination: the problem that `learn` solves, and what has learned in it acts on real pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from latentrl.adapters import ImaginedVectorEnv, RunImagination, load_imagination
from latentrl.evaluation.loading import load_agent
from latentrl.shipped.copies import readable

RUN = "zoo:pendulum"


@pytest.fixture(scope="module")
def dream() -> RunImagination:
    return load_imagination(RUN)


def test_bounds_and_reward_are_the_tasks(dream: RunImagination) -> None:
    assert (dream.bounds.low.tolist(), dream.bounds.high.tolist()) == ([-7.0], [7.0])
    planner: Any = load_agent(RUN, agent="cem").controller
    states, action = dream.model.initial_states(50, torch.Generator().manual_seed(0)), torch.zeros(50, 1)
    assert torch.equal(dream.reward(states, action), planner.reward(states, action))


def test_what_acts_on_states_acts_on_pictures_as_the_stored_policy_does(dream: RunImagination) -> None:
    """The shipped policy, disguised as an actor that was learned on normalised observations, is itself again."""
    stored = load_agent(RUN, agent="policy")
    own: Any = stored.controller
    envs = ImaginedVectorEnv(dream.episodes(2))
    at = envs.episodes

    def actor(features: torch.Tensor) -> torch.Tensor:
        return own.policy(features * at.scale + at.centre) / 7.0

    agent = dream.agent(at, actor)
    real = gymnasium.make_vec("latentrl.envs:latentrl/Pendulum-v0", 3, "vector_entry_point", torque_limit=7.0)
    picture = real.reset(seed=0)[0]
    for _ in range(10):
        action = agent.act(picture)
        np.testing.assert_allclose(action, stored.act(picture), atol=1e-3)
        picture = real.step(action)[0]


def test_any_goal_is_said_when_it_acts() -> None:
    dream = load_imagination(RUN, "any", input="belief", drop=0.2)
    episodes = dream.episodes(3)
    assert episodes.feature_size == 3 + 2 + 3 and episodes.state.shape == (3, 5), "state, way and log deviations"
    goal = readable(RUN) / "goal.png"
    agent = dream.agent(episodes, lambda features: features[:, 3:4], goal)
    assert agent.act(np.zeros((2, 16, 16, 1), np.uint8)).shape == (2, 1)
    with pytest.raises(ValueError, match="say which one"):
        dream.agent(episodes, lambda features: features[:, :1])


def test_a_rooted_reward_is_the_distance_itself(dream: RunImagination) -> None:
    squared, rooted = dream.episodes(4, seed=2), dream.episodes(4, seed=2, rooted=True)
    action = torch.zeros(4, 1)
    paid, root = squared.step(action).reward * squared.reward_scale, rooted.step(action).reward * rooted.reward_scale
    torch.testing.assert_close(root.square(), -paid)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"run": "zoo:nobody"}, "nobody"),
        ({"goal": Path("nowhere.png")}, "nowhere.png"),
        ({"input": "all"}, "input 'all'.*mean or belief"),
        ({"drop": 0.3}, "drop 0.3"),
        ({"distance": "far"}, "far"),
        ({"device": "toaster"}, "device 'toaster'"),
        ({"action_limit": -1.0}, "-1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_settings_are_named(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        load_imagination(**{"run": RUN, **settings})


@pytest.mark.parametrize(
    "settings", [{"count": 0}, {"length": 0}, {"discount": 1.0}, {"sane_radius": 0.0}, {"fresh": 0.0}], ids=str
)
def test_bad_episodes_are_named(dream: RunImagination, settings: dict[str, Any]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=rf"{name} .*{value}"):
        dream.episodes(**{"count": 2, **settings})
    with pytest.raises(ValueError, match="has a goal already"):
        dream.agent(dream.episodes(2), lambda features: features[:, :1], "goal.png")
