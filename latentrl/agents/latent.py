"""The agent that acts in a real environment: filter each observation into a belief, then ask a controller.

Where a frame is missing, the belief is predicted and nothing else: its uncertainty grows until a frame arrives.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents.controllers import Controller
from latentrl.agents.observing import Expected
from latentrl.support.errors import UserError
from latentrl.types import Belief, Filter


class LatentAgent:
    """Filters online, one observation at a time, and acts on the belief; implements `latentrl.types.Agent`.

    It is given observations and nothing else: no reward, no info, no environment.

    Args:
        model: turns observations into beliefs. One that says what it observes (`latentrl.types.Observing`) is given
            nothing else: see :meth:`act`.
        controller: turns the belief into an action.
        device: where the model is.
        doubt: what is to be said of observations ``[N, ...]`` that are unlike all that the model was trained on, None
            of others; it is said once, as Python warns.
    """

    model: Filter
    controller: Controller
    device: torch.device

    def __init__(
        self,
        model: Filter,
        controller: Controller,
        device: torch.device | str = "cpu",
        doubt: Callable[[NDArray[Any]], str | None] | None = None,
    ) -> None:
        self._doubt = doubt
        self.model, self.controller, self.device = model, controller, torch.device(device)
        self._expected = Expected.by(model)
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
    def act(self, observation: np.ndarray, seen: NDArray[np.bool_] | bool | None = None) -> np.ndarray:
        """Actions ``[N, Du]`` float32 in the environment's units; ``[Du]`` for a single observation.

        What is refused changes nothing: the agent can be asked again with what it expects.

        Args:
            observation: ``[N, ...]`` as it came from the environment, or a single one, ``[...]``. Other numbers than a
                floating-point model's are cast; pictures must be ``uint8`` with the channels last.
            seen: ``[N]`` False where no frame arrived; there the belief is only predicted, and ``observation`` is not
                used. None: all arrived.

        Raises:
            UserError: another shape or dtype than the model's, NaN in a frame that arrived, another N than in the
                steps before, the first frame of an episode is missing, or ``seen`` has another shape.
        """
        frames, single = (np.asarray(observation), False)
        if self._expected is not None:
            frames, single = self._expected.batch(observation)
        arrived = _arrived(seen, len(frames))
        if self._expected is not None:
            self._expected.check_numbers(frames, arrived)
        # A camera's own buffer may be one that nobody else may write to, which torch warns of.
        frames = np.require(frames, requirements=("C", "W"))
        frame = torch.from_numpy(frames).to(self.device)
        mask = None if arrived is None else torch.from_numpy(arrived).to(self.device)
        if self._belief is None or self._action is None:
            if mask is not None:
                raise UserError("seen: the first frame of an episode must arrive: a belief begins with an observation")
        elif len(frame) != len(self._action):
            raise UserError(
                f"observation: holds {len(frame)} episodes, but there were {len(self._action)} at the last step; "
                "reset() begins new ones"
            )
        self._warn_once(frames if arrived is None else frames[arrived])
        if self._belief is None or self._action is None:
            self._belief = self.model.initial_belief(frame)
        else:
            self._belief = filter_seen(self.model, self._belief, self._action, frame, mask)
        self._action = self.controller(Belief(self._belief.mean.float(), self._belief.covariance.float()))
        action = self._action.cpu().numpy().astype(np.float32)
        return action[0] if single else action

    def _warn_once(self, frames: NDArray[Any]) -> None:
        said = None if self._doubt is None else self._doubt(frames)
        if said is not None:
            self._doubt = None
            # Of the line that calls `act`, which inference mode wraps.
            warnings.warn(said, UserWarning, stacklevel=4)


def _arrived(seen: NDArray[np.bool_] | bool | None, count: int) -> NDArray[np.bool_] | None:
    """Which of ``count`` frames arrived, ``[N]``; None where all did."""
    if seen is None:
        return None
    mask = np.asarray(seen, dtype=bool)
    if mask.shape != (count,) and not (count == 1 and mask.shape == ()):
        raise UserError(f"seen: has the shape {mask.shape}, but there are {count} frames; give a truth value for each")
    return None if mask.all() else mask.reshape(count)


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
    # Only a shortcut, for which a GPU would have to be waited for.
    if arrived.device.type == "cpu" and not arrived.any():
        return predicted
    updated = model.filter(belief, action, frame)
    return Belief(
        torch.where(arrived[:, None], updated.mean, predicted.mean),
        torch.where(arrived[:, None, None], updated.covariance, predicted.covariance),
    )
