"""Imagined episodes as a vector environment of Gymnasium: torch inside, NumPy outside, one tensor call a step."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.imagined_spaces import spaces_of

Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
STATE = "state"
MASK = "reset_mask"


class ImaginedVectorEnv(VectorEnv[Floats, Floats, NDArray[Any]]):
    """``N`` imagined episodes as Gymnasium's own vector environments have them.

    Observations ``[N, F]``, actions ``[N, Du]`` in [-1, 1] and rewards ``[N]`` are float32; what they are, and when an
    episode is terminated or truncated, says `ImaginedEpisodes`. The info holds "state" ``[N, Dz]``, the true imagined
    states, and its mask "_state".

    Episodes that end begin anew by ``autoreset_mode``, which stands in the metadata:

    - ``NEXT_STEP``: on the next step, which ignores their action; its reward is zero.
    - ``SAME_STEP``: at once; the info then holds the last observations as "final_obs" (objects ``[N]``, each ``[F]``)
      and the last infos as "final_info", with masks "_final_obs" and "_final_info".
    - ``DISABLED``: when ``reset(options={"reset_mask": ...})`` says so, a boolean ``[N]``. The mask works in all modes.

    One generator serves all episodes, so that one seed fixes the whole batch.

    Args:
        episodes: what is stepped.
        autoreset_mode: one of Gymnasium's, or its value, such as "SameStep".
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    episodes: ImaginedEpisodes
    num_envs: int
    autoreset_mode: AutoresetMode
    single_observation_space: Box[np.float32]
    single_action_space: Box[np.float32]
    observation_space: Space[Floats]
    action_space: Space[Floats]

    def __init__(
        self, episodes: ImaginedEpisodes, autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP
    ) -> None:
        self.episodes, self.num_envs = episodes, episodes.count
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = spaces_of(episodes.feature_size, episodes.action_size)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._ended = np.zeros(self.num_envs, dtype=bool)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """Begin all episodes anew, or those of ``options["reset_mask"]``, a boolean ``[N]``; observations and info.

        Raises:
            ValueError: an unknown option, or a mask that is none.
        """
        which = self._mask(options)
        super().reset(seed=seed)
        if seed is not None:
            self.episodes.seeded(seed)
        if which is None:
            observation, self._ended = self.episodes.start(), np.zeros(self.num_envs, dtype=bool)
        else:
            observation, self._ended = self._begun_anew(which), self._ended & ~which
        return _floats(observation), self._info(which)

    def step(self, actions: Floats) -> tuple[Floats, Floats, Flags, Flags, dict[str, Any]]:
        """Observations ``[N, F]``, rewards ``[N]``, terminations ``[N]``, truncations ``[N]`` and info.

        Raises:
            ValueError: actions of another shape than ``[N, Du]``, or in the mode ``DISABLED`` an episode that has ended
                and was not begun anew.
        """
        asked = torch.as_tensor(actions, dtype=self.episodes.low.dtype, device=self.episodes.device)
        if asked.shape != self.action_space.shape:
            raise ValueError(f"actions have the shape {tuple(asked.shape)}: give {self.action_space.shape}")
        over = self._ended.copy()
        if self.autoreset_mode is AutoresetMode.DISABLED and over.any():
            raise ValueError(
                f"episodes {np.flatnonzero(over).tolist()} have ended: reset(options={{'{MASK}': ...}}) begins them "
                "anew, or another autoreset mode does"
            )
        step = self.episodes.step(asked)
        observation = step.observation
        reward, terminated, truncated = (_array(part) for part in step[1:])
        if over.any():  # in the mode NEXT_STEP alone
            observation = self._begun_anew(over)
            reward = np.where(over, 0.0, reward)
            terminated, truncated = terminated & ~over, truncated & ~over
        self._ended = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            final = self._final(_array(observation), self._ended.copy())
            observation = self._begun_anew(self._ended)
            self._ended = np.zeros_like(self._ended)
        return _floats(observation), reward.astype(np.float32), terminated, truncated, {**final, **self._info()}

    def _begun_anew(self, which: Flags) -> Tensor:
        return self.episodes.restart(torch.from_numpy(which).to(self.episodes.device))

    def _info(self, which: Flags | None = None) -> dict[str, Any]:
        """The true states with Gymnasium's mask: which of the episodes they are told of."""
        state = _floats(self.episodes.state).copy()
        told = np.ones(self.num_envs, dtype=bool) if which is None else which.copy()
        state[~told] = 0.0
        return {STATE: state, f"_{STATE}": told}

    def _final(self, observation: Floats, ended: Flags) -> dict[str, Any]:
        """What Gymnasium tells of episodes that have ended and begun anew in one step."""
        last = np.full(self.num_envs, None, dtype=object)
        for index in np.flatnonzero(ended):
            last[index] = observation[index].copy()
        return {"final_obs": last, "_final_obs": ended, "final_info": self._info(ended), "_final_info": ended.copy()}

    def _mask(self, options: dict[str, Any] | None) -> Flags | None:
        given = options or {}
        if not given.keys() <= {MASK}:
            raise ValueError(f"reset options {sorted(given)}: only {MASK!r} is known")
        if MASK not in given:
            return None
        mask = np.asarray(given[MASK])
        if mask.dtype != bool or mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(
                f"reset option {MASK!r}={given[MASK]!r}: give {self.num_envs} truth values, at least one of them True"
            )
        return mask


def _array(values: Tensor) -> NDArray[Any]:
    return values.cpu().numpy()


def _floats(values: Tensor) -> Floats:
    return _array(values).astype(np.float32, copy=False)
