"""The agent that acts in a real environment: filter each observation into a belief, then ask a controller."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentrl.agents.controllers import Controller
from latentrl.types import Belief, Filter


class LatentAgent:
    """Filters online, one observation at a time, and acts on the belief's mean; implements `latentrl.types.Agent`.

    It is given observations and nothing else: no reward, no info, no environment.

    Args:
        model: turns observations into beliefs.
        controller: turns the belief's mean into an action.
    """

    def __init__(self, model: Filter, controller: Controller) -> None:
        self.model, self.controller = model, controller
        self._belief: Belief | None = None
        self._action: Tensor | None = None

    @property
    def belief(self) -> Belief:
        """What the agent believed when it last acted: ``mean [N, Dz]``, ``covariance [N, Dz, Dz]``."""
        if self._belief is None:
            raise RuntimeError("the agent has no belief before its first act() after reset()")
        return self._belief

    def reset(self, seed: int | None = None) -> None:
        """New episodes begin; ``seed`` reaches the controller's own randomness."""
        self._belief = self._action = None
        self.controller.reset(seed)

    @torch.inference_mode()
    def act(self, observation: np.ndarray) -> np.ndarray:
        """Actions ``[N, Du]`` float32 in the environment's units for observations ``[N, ...]`` as they came from it."""
        seen = torch.from_numpy(np.ascontiguousarray(observation))
        if self._belief is None or self._action is None:
            self._belief = self.model.initial_belief(seen)
        else:
            self._belief = self.model.filter(self._belief, self._action, seen)
        self._action = self.controller(self._belief.mean.float())
        return self._action.numpy().astype(np.float32)
