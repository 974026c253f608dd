"""Held actions: one held step is as many plain ones with the same action."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv

from latentrl.data_collection.making import make, make_as_recorded
from latentrl.envs.repeat import ActionRepeat, VectorActionRepeat


class Counters(VectorEnv):
    """Counts up from 0; environment n ends when its count is ``ends[n]``, and begins anew with the step after."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_fps": 12}  # noqa: RUF012

    def __init__(self, ends: list[int]) -> None:
        self.num_envs, self.ends = len(ends), np.array(ends)
        self.single_observation_space = Box(0, 99, (1,), np.float32)
        self.single_action_space = Box(-1, 1, (1,), np.float32)
        self.count = np.zeros(self.num_envs)

    def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
        self.count = np.zeros(self.num_envs)
        return self.count[:, None].copy(), {"truth": self.count.copy()}

    def step(self, actions: Any) -> Any:
        self.count = np.where(self.count == self.ends, 0, self.count + 1)
        ended = self.count == self.ends
        told = {"truth": 10 * self.count, "more": "text"}
        return self.count[:, None].copy(), self.count.copy(), ended, np.zeros_like(ended), told


def test_many_at_once_keep_what_they_said_at_their_end() -> None:
    envs = VectorActionRepeat(Counters([2, 9]), 3)
    envs.reset()
    observations, rewards, terminated, truncated, infos = envs.step(np.zeros((2, 1)))
    np.testing.assert_array_equal(observations, [[2], [3]])
    np.testing.assert_array_equal(rewards, [1 + 2, 1 + 2 + 3])
    np.testing.assert_array_equal(terminated, [True, False])
    assert not truncated.any()
    np.testing.assert_array_equal(infos["truth"], [20, 30])
    assert infos["more"] == "text"
    assert envs.metadata["render_fps"] == 4


def test_one_stops_at_its_end() -> None:
    env = ActionRepeat(gymnasium.make("Pendulum-v1", max_episode_steps=5), 3)
    plain = gymnasium.make("Pendulum-v1")
    np.testing.assert_array_equal(env.reset(seed=1)[0], plain.reset(seed=1)[0])
    action, held = np.array([1.5], np.float32), [3, 2]
    for steps in held:
        expected = [plain.step(action)[:2] for _ in range(steps)]
        observation, reward, _, truncated, _ = env.step(action)
        np.testing.assert_array_equal(observation, expected[-1][0])
        assert reward == pytest.approx(sum(float(one[1]) for one in expected))
    assert truncated


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="repeat=0"):
        ActionRepeat(gymnasium.make("Pendulum-v1"), 0)
    with pytest.raises(ValueError, match="repeat=-1"):
        VectorActionRepeat(Counters([1]), -1)


@pytest.mark.parametrize(("pixels", "size"), [(None, (16, 16)), (8, (8, 8)), ([6, 9], (6, 9))])
def test_held_environments_are_made_as_recorded(pixels: Any, size: tuple[int, int]) -> None:
    """The metadata of a folder gives what was recorded: every third observation of the plain environment."""
    metadata = {"env_id": "latentrl/Pendulum-v0", "env_kwargs": {"noise": 0.0}, "pixels": pixels, "grey": True}
    held = make_as_recorded({**metadata, "repeat": 3}, 2)
    plain = make("latentrl/Pendulum-v0", {"noise": 0.0}, 2, pixels, grey=True)
    seen, expected = held.reset(seed=4)[0], plain.reset(seed=4)[0]
    np.testing.assert_array_equal(seen, expected)
    actions = np.array([[2.0], [-1.0]], np.float32)
    for _ in range(4):
        seen = held.step(actions)[0]
        for _ in range(3):
            expected = plain.step(actions)[0]
        np.testing.assert_array_equal(seen, expected)
    assert seen.shape[1:] == (*size, 1)


def test_pictures_for_people_come_where_they_are_asked_for() -> None:
    envs = make_as_recorded({"env_id": "latentrl/Pendulum-v0"}, 2, render=True)
    envs.reset(seed=0)
    frames = envs.render()
    assert frames is not None and [np.shape(frame) for frame in frames] == [(256, 256, 3)] * 2
