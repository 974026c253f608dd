"""The agent that acts in a real environment: filter each observation into a belief, then ask a controller.

Where a frame is missing, the belief is predicted and nothing else: its uncertainty grows until a frame arrives.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents.controllers import Controller
from latentrl.types import Belief, Filter


class LatentAgent:
    """Filters online, one observation at a time, and acts on the belief; implements `latentrl.types.Agent`.

    It is given observations and nothing else: no reward, no info, no environment.

    Args:
        model: turns observations into beliefs.
        controller: turns the belief into an action.
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
    def act(self, observation: np.ndarray, seen: NDArray[np.bool_] | None = None) -> np.ndarray:
        """Actions ``[N, Du]`` float32 in the environment's units.

        Args:
            observation: ``[N, ...]`` as it came from the environment.
            seen: ``[N]`` False where no frame arrived; there the belief is only predicted, and ``observation`` is not
                used. None: all arrived.

        Raises:
            ValueError: the first frame of an episode is missing, or ``seen`` has another shape.
        """
        frame = torch.from_numpy(np.ascontiguousarray(observation))
        arrived = None if seen is None or seen.all() else torch.from_numpy(np.asarray(seen, dtype=bool))
        if seen is not None and seen.shape != (len(frame),):
            raise ValueError(f"seen must have shape {(len(frame),)}, not {seen.shape}")
        if self._belief is None or self._action is None:
            if arrived is not None:
                raise ValueError("the first frame of an episode must arrive: a belief begins with an observation")
            self._belief = self.model.initial_belief(frame)
        else:
            self._belief = filter_seen(self.model, self._belief, self._action, frame, arrived)
        self._action = self.controller(Belief(self._belief.mean.float(), self._belief.covariance.float()))
        return self._action.numpy().astype(np.float32)


def filter_seen(model: Filter, belief: Belief, action: Tensor, frame: Tensor, arrived: Tensor | None) -> Belief:
    """One step of a filter where some frames are missing: there the prediction is the belief.

    Args:
        model: the filter.
        belief: the last belief over ``N`` states.
        action: what was applied since, ``[N, Du]``.
        frame: observations ``[N, ...]``.
        arrived: mask ``[N]`` of the frames to use; None stands for all, and costs nothing more than the filter.
    """
    if arrived is None:
        return model.filter(belief, action, frame)
    predicted = model.filter(belief, action, None)
    if not arrived.any():
        return predicted
    updated = model.filter(belief, action, frame)
    return Belief(
        torch.where(arrived[:, None], updated.mean, predicted.mean),
        torch.where(arrived[:, None, None], updated.covariance, predicted.covariance),
    )
