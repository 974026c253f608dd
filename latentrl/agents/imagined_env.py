"""Imagined episodes as a stable-baselines3 vector environment: one tensor call steps them all.

Import this module only where stable-baselines3 is asked for: it is an optional extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from latentrl.agents.imagination import Episodes, Imagination, choose_belief, reward_scale, spread
from latentrl.types import Belief, Reward


class ImaginedEnv(VecEnv):
    """``N`` imagined episodes, reset one by one as they end.

    Observations are the policy's features, normalised; actions lie in [-1, 1] and stand for the range from ``low`` to
    ``high``; rewards are divided by their spread over the start states. An episode is *truncated* after ``length``
    steps: its last observation and ``TimeLimit.truncated`` in the info let an algorithm bootstrap across the cut. It is
    *terminated* where the model breaks: where a state turns NaN or leaves the sane region. The last reward is then the
    worst so far paid for ever after, so that exploiting the model's errors never pays.

    Args:
        imagination: starts and steps the episodes.
        reward: of the true imagined states.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        count: N.
        length: steps to truncation.
        discount: the algorithm's, which says what "for ever" is worth.
        sane_radius: how many standard deviations of typical states from their mean still count as sane.
        seed: of everything drawn. ``VecEnv.seed`` sets it anew, from the next reset on.
    """

    def __init__(
        self,
        imagination: Imagination,
        reward: Reward,
        low: Tensor,
        high: Tensor,
        count: int = 32,
        length: int = 100,
        discount: float = 0.98,
        sane_radius: float = 20.0,
        seed: int = 0,
    ) -> None:
        self.render_mode = None
        self.imagination, self.reward = imagination, reward
        self.low, self.high, self.length, self.discount = low, high, length, discount
        self._generator = torch.Generator(low.device).manual_seed(seed)
        states = imagination.typical_states(1024, low, high, self._generator)
        self.centre, self.scale = imagination.feature_scale(states, low, high, self._generator)
        with torch.no_grad():
            rewards = reward(states, low.new_zeros(len(states), len(low)))
        self.reward_scale = reward_scale(rewards)
        self._worst = rewards.min().double() / self.reward_scale
        middle, reach = states.mean(0), sane_radius * spread(states)
        self._sane_low, self._sane_high = middle - reach, middle + reach
        super().__init__(count, *self.spaces_of(len(self.centre), len(low)))
        self.reset()

    @staticmethod
    def spaces_of(feature_size: int, action_size: int) -> tuple[spaces.Box, spaces.Box]:
        """Observation and action space."""
        return (
            spaces.Box(-np.inf, np.inf, (feature_size,), np.float32),
            spaces.Box(-1.0, 1.0, (action_size,), np.float32),
        )

    @torch.no_grad()
    def reset(self) -> NDArray[np.float32]:
        """Begin all episodes anew; observations ``[N, F]``."""
        if self._seeds[0] is not None:
            self._generator.manual_seed(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._episodes = self.imagination.start(self.num_envs, self._generator)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._returns = np.zeros(self.num_envs)
        return _array(self._observe(self._episodes))

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Note the actions ``[N, Du]`` in [-1, 1]."""
        unit = torch.as_tensor(actions, dtype=self.low.dtype, device=self.low.device).clamp(-1.0, 1.0)
        self._action = torch.lerp(self.low, self.high, 0.5 * (unit + 1.0))

    @torch.no_grad()
    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations ``[N, F]``, rewards ``[N]``, ends ``[N]`` and infos of one imagined step."""
        observation, rewards, sane = self.imagine(self._action)
        reward = _array(rewards).astype(np.float32)
        self._steps += 1
        self._returns += reward
        terminated = ~_array(sane)
        done = terminated | (self._steps >= self.length)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        if len(ended):
            last = _array(observation).copy()
            for i in ended:
                episode = {"r": self._returns[i] * self.reward_scale, "l": int(self._steps[i]), "t": 0.0}
                infos[i] = {
                    "terminal_observation": last[i],
                    "TimeLimit.truncated": not terminated[i],
                    "episode": episode,
                }
            observation = self._restart(torch.from_numpy(done).to(observation.device), observation)
            self._steps[ended] = 0
            self._returns[ended] = 0.0
        return _array(observation), reward, done, infos

    def imagine(self, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All of a step that is on the model's device, which is not waited for.

        Args:
            action: ``[N, Du]``, in the environment's units.

        Returns:
            Observations ``[N, F]``, rewards ``[N]``, and ``[N]`` whether the model holds.
        """
        before, imagination = self._episodes, self.imagination
        state = imagination.model.transition(before.state, action).rsample(self._generator)
        sane = ((state > self._sane_low) & (state < self._sane_high)).all(-1)
        # A broken state would reach the learner as the last observation of its episode: show the last sane one.
        state = torch.where(sane[:, None], state, before.state)
        after = imagination.follow(before, action, state, self._generator)
        observation = self._observe(after)
        sane &= observation.isfinite().all(-1)
        observation = torch.where(sane[:, None], observation, self._observe(before))
        rewards = self._rewards(state, action, sane)
        self._episodes = after
        return observation, rewards, sane

    def _rewards(self, state: Tensor, action: Tensor, sane: Tensor) -> Tensor:
        rewards = self.reward(state, action) / self.reward_scale
        # A reward that is no number is no worst one.
        counted = torch.where(sane & ~rewards.isnan(), rewards, torch.inf)
        self._worst = torch.minimum(self._worst, counted.min().double())
        return torch.where(sane, rewards, (self._worst / (1.0 - self.discount)).to(rewards.dtype))

    def _restart(self, done: Tensor, observation: Tensor) -> Tensor:
        fresh, now = self.imagination.start(self.num_envs, self._generator), self._episodes
        state = torch.where(done[:, None], fresh.state, now.state)
        belief: Belief | None = None
        if fresh.belief is not None and now.belief is not None:
            belief = choose_belief(done, fresh.belief, now.belief)
        self._episodes = Episodes(state, belief)
        return torch.where(done[:, None], self._observe(self._episodes), observation)

    def _observe(self, episodes: Episodes) -> Tensor:
        return (self.imagination.features(episodes) - self.centre) / self.scale

    # -- the rest of the VecEnv interface -----------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: int | Sequence[int] | None = None) -> list[Any]:  # type: ignore[override]
        """The attribute, which all environments share, once per asked-for index."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: int | Sequence[int] | None = None) -> None:  # type: ignore[override]
        """Refused: the environments share every attribute."""
        raise NotImplementedError("imagined environments have no attributes of their own")

    def env_method(  # type: ignore[override]
        self, method_name: str, *method_args: Any, indices: int | Sequence[int] | None = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refused: the environments are one tensor, not objects."""
        raise NotImplementedError("imagined environments have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: int | Sequence[int] | None = None) -> list[bool]:  # type: ignore[override]
        """Never."""
        return [False] * len(list(self._get_indices(indices)))


def _array(values: Tensor) -> NDArray[Any]:
    """As the algorithm takes it, on the processor."""
    return values.cpu().numpy()
