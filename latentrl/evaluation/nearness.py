"""How near an agent is to a goal that only an observation tells of: what a model makes of every frame, whoever acts.

It sees every frame as it came from the environment, lost ones too, and tells nothing to the agent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.envs.measures import ENCODED, GOAL, OBSERVED, SPEEDS, Floats
from latentrl.models.base import WorldModel
from latentrl.runs.velocity_range import FILE, load_range
from latentrl.types import Belief


class Nearness:
    """Follows ``N`` episodes with a model's filter; implements `latentrl.evaluation.protocol.Witness`.

    Args:
        model: of the run.
        goal: to reach, in latent units: a position ``[Da]`` or a velocity ``[Dv]``, or one for each episode.
        is_position: which of the two.
        observation: what is observed at the goal ``[*shape]``, or at that of each episode ``[N, *shape]``; None where
            nobody knows.
        run: its folder: where it says the range of velocities, these are given as shares of the top speed.
    """

    model: WorldModel
    is_position: bool
    observation: Floats | None
    goal: Tensor

    def __init__(
        self, model: WorldModel, goal: Tensor, is_position: bool, observation: NDArray[Any] | None, run: Path
    ) -> None:
        self.model, self.is_position = model, is_position
        # Of readings in units of their own the smallest would count for nothing beside the others.
        scale = model.reading_scale()
        self._scale = np.ones(()) if scale is None else scale.cpu().double().numpy()
        self.observation = None if observation is None else _in_units(observation)
        dims = goal.shape[-1]
        self._rest, self._top = torch.zeros(dims), torch.ones(dims)
        if not is_position and (run / FILE).is_file():
            found = load_range(run)
            self._rest, self._top = found.rest, found.top
        self.goal = (goal.cpu() - self._rest) / self._top
        self._belief: Belief | None = None

    @torch.inference_mode()
    def begin(self, observation: NDArray[Any]) -> None:
        """New episodes begin with ``observation [N, ...]``."""
        self._belief = self.model.initial_belief(torch.from_numpy(np.ascontiguousarray(observation)))

    @torch.inference_mode()
    def follow(self, action: NDArray[np.float32], observation: NDArray[Any]) -> dict[str, Floats]:
        """Entries of the truth ``[N]`` or ``[N, Dv]`` after ``action [N, Du]`` led to ``observation [N, ...]``."""
        assert self._belief is not None
        frame = torch.from_numpy(np.ascontiguousarray(observation))
        self._belief = self.model.filter(self._belief, torch.from_numpy(np.asarray(action, np.float32)), frame)
        mean, split = self._belief.mean.float().cpu(), self.model.position_size
        if not self.is_position:
            speed = (mean[:, split : split + self.goal.shape[-1]] - self._rest) / self._top
            return {SPEEDS: speed.double().numpy()}
        found = {ENCODED: (mean[:, : self.goal.shape[-1]] - self.goal).norm(dim=-1).double().numpy()}
        if self.observation is not None:
            difference = (_in_units(observation) - self.observation) / self._scale
            found[OBSERVED] = np.sqrt(np.square(difference.reshape(len(observation), -1)).mean(-1))
        return found

    def constants(self, episodes: int) -> dict[str, Floats]:
        """Entries of the truth that stay the same: the velocity that is wanted ``[N, Dv]``."""
        if self.is_position:
            return {}
        return {GOAL: np.broadcast_to(self.goal.double().numpy(), (episodes, self.goal.shape[-1]))}


def _in_units(observation: NDArray[Any]) -> Floats:
    """Pictures in [0, 1], sensors in their own units."""
    return observation.astype(np.float64) / (255.0 if observation.dtype == np.uint8 else 1.0)
