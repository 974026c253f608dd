"""One imagined episode as an environment of Gymnasium, for libraries that make their vector environments themselves."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from latentrl.adapters.imagined_vector_env import STATE, Floats, ImaginedVectorEnv
from latentrl.agents.imagined_episodes import ImaginedEpisodes


class ImaginedSingleEnv(gymnasium.Env[Floats, Floats]):
    """One imagined episode: `ImaginedVectorEnv` without the axis of its episodes. Many at once are far faster there.

    Args:
        episodes: one of them.

    Raises:
        ValueError: there are several.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012
    observation_space: Box[np.float32]
    action_space: Box[np.float32]

    def __init__(self, episodes: ImaginedEpisodes) -> None:
        if episodes.count != 1:
            raise ValueError(f"there are {episodes.count} imagined episodes: give one, or take ImaginedVectorEnv")
        self.episodes = episodes
        self._one = ImaginedVectorEnv(episodes, "Disabled")
        self.observation_space, self.action_space = self._one.single_observation_space, self._one.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin an episode; observation ``[F]`` and info. There are no options."""
        super().reset(seed=seed)
        observation, info = self._one.reset(seed=seed, options=options)
        return observation[0], {STATE: info[STATE][0]}

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """Observation ``[F]``, reward, termination, truncation and info of one imagined step.

        Raises:
            ValueError: an action of another shape than ``[Du]``, or the episode has ended.
        """
        observation, reward, terminated, truncated, info = self._one.step(action[None])
        return observation[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), {STATE: info[STATE][0]}
