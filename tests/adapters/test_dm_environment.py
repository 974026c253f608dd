"""Environments for users of dm_env: its own checks, and there and back again."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

pytest.importorskip("dm_env")
import dm_env
from absl.testing import absltest
from dm_env import specs, test_utils
from gymnasium.utils.env_checker import data_equivalence

import latentrl.envs
from latentrl.adapters.dm_environment import DMEnvironment, GymnasiumEnvironment

make = partial(gymnasium.make, latentrl.envs.PENDULUM, max_episode_steps=4)


class OfDMEnv(test_utils.EnvironmentTestMixin, absltest.TestCase):
    """What dm_env asks of every environment; its tests are inherited."""

    def make_object_under_test(self) -> DMEnvironment:
        return DMEnvironment(make())

    def make_action_sequence(self) -> Any:
        rng = np.random.default_rng(0)
        return [rng.uniform(-2, 2, 1).astype(np.float32) for _ in range(10)]


def test_says_what_the_environment_says() -> None:
    env, plain = DMEnvironment(make(), seed=3), make()
    action = np.array([0.7], np.float32)
    for seed in (3, None):
        observation, info = plain.reset(seed=seed)
        said = env.step(action)  # begins an episode: the first, and the one after the last step
        assert said.first() and said.reward is None
        for step in range(4):
            assert np.array_equal(said.observation, observation) and data_equivalence(env.info, info)
            said = env.step(action)
            observation, reward, _, truncated, info = plain.step(action)
            assert said.reward == reward and said.discount == 1.0
            assert said.last() == truncated == (step == 3)
    assert env.observation_spec().shape == (16, 16, 1) and env.observation_spec().dtype == np.uint8
    assert env.action_spec().maximum.tolist() == [2.0]


class Ending(gymnasium.Env[Any, Any]):
    """Terminated by its first step."""

    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, **kwargs: Any) -> Any:
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.ones(2, np.float32), 3.0, True, False, {}


def test_an_end_that_ends_has_no_discount() -> None:
    env = DMEnvironment(Ending())
    env.reset()
    said = env.step(np.zeros(1, np.float32))
    assert said.last() and (said.reward, said.discount) == (3.0, 0.0)
    back = GymnasiumEnvironment(DMEnvironment(Ending()))
    back.reset()
    assert back.step(np.zeros(1, np.float32))[1:4] == (3.0, True, False)


def test_there_and_back_again_nothing_has_changed() -> None:
    env, plain = GymnasiumEnvironment(DMEnvironment(make(), seed=5)), make()
    assert env.observation_space == plain.observation_space and env.action_space == plain.action_space
    assert np.array_equal(env.reset(seed=0)[0], plain.reset(seed=5)[0])
    for _ in range(4):
        action = np.array([-0.3], np.float32)
        ours, theirs = env.step(action), plain.step(action)
        assert np.array_equal(ours[0], theirs[0]) and ours[1:4] == theirs[1:4]
    assert ours[3]


class Counting(dm_env.Environment):
    """Observes a whole number without bounds."""

    def reset(self) -> dm_env.TimeStep:
        return dm_env.restart(np.array([7]))

    def step(self, action: Any) -> dm_env.TimeStep:
        return dm_env.transition(0.0, np.array([8]))

    def observation_spec(self) -> Any:
        return specs.Array((1,), np.int64)

    def action_spec(self) -> Any:
        return specs.BoundedArray((2,), np.float64, -1.0, [1.0, 2.0])


def test_specs_of_all_kinds_become_spaces() -> None:
    env = GymnasiumEnvironment(Counting())
    assert env.observation_space.contains(env.reset()[0]) and env.observation_space.dtype == np.int64
    assert env.action_space == Box(np.array([-1.0, -1.0]), np.array([1.0, 2.0]), dtype=np.float64)
    assert env.action_space.contains(env.action_space.sample())


def test_what_has_no_place_there_is_refused() -> None:
    env = make()
    env.action_space = Discrete(3)
    with pytest.raises(ValueError, match="action space is Discrete"):
        DMEnvironment(env)
    several = Counting()
    several.observation_spec = lambda: {"a": specs.Array((1,), np.float32)}  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="observation spec is"):
        GymnasiumEnvironment(several)
