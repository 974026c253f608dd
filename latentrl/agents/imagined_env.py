"""Imagined episodes as a stable-baselines3 vector environment: one tensor call steps them all.

Import this module only where stable-baselines3 is asked for: it is an optional extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.imagined_spaces import spaces_of


class ImaginedEnv(VecEnv):
    """``N`` imagined episodes, reset one by one as they end.

    The last observation of a truncated one and ``TimeLimit.truncated`` in the info let an algorithm bootstrap across
    the cut.

    Args:
        episodes: what is stepped; they say what observations, actions and rewards are. ``VecEnv.seed`` sets their seed
            anew, from the next reset on.
    """

    render_mode: str | None
    length: int
    discount: float

    def __init__(self, episodes: ImaginedEpisodes) -> None:
        self.render_mode = None
        self.episodes = episodes
        self.length, self.discount = episodes.length, episodes.discount
        super().__init__(episodes.count, *spaces_of(episodes.feature_size, episodes.action_size))
        self._returns = np.zeros(episodes.count)

    def reset(self) -> NDArray[np.float32]:
        """Begin all episodes anew; observations ``[N, F]``."""
        if self._seeds[0] is not None:
            self.episodes.seeded(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._returns = np.zeros(self.num_envs)
        return _array(self.episodes.start())

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Note the actions ``[N, Du]`` in [-1, 1]."""
        low = self.episodes.low
        self._action = torch.as_tensor(actions, dtype=low.dtype, device=low.device)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations ``[N, F]``, rewards ``[N]``, ends ``[N]`` and infos of one imagined step."""
        step = self.episodes.step(self._action)
        observation, reward = step.observation, _array(step.reward).astype(np.float32)
        self._returns += reward
        ends = step.terminated | step.truncated
        done, terminated = _array(ends), _array(step.terminated)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done)
        if len(ended):
            last, ages = _array(observation).copy(), _array(self.episodes.age)
            for i in ended:
                episode = {"r": self._returns[i] * self.episodes.reward_scale, "l": int(ages[i]), "t": 0.0}
                infos[i] = {
                    "terminal_observation": last[i],
                    "TimeLimit.truncated": not terminated[i],
                    "episode": episode,
                }
            observation = self.episodes.restart(ends)
            self._returns[ended] = 0.0
        return _array(observation), reward, done, infos

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
