"""What is exported: the first and every other step of an agent, as functions of tensors of fixed shapes.

    begin(frame)                                             -> mean, covariance, action
    step(last_mean, last_covariance, last_action, frame, seen) -> mean, covariance, action

One episode, no batch axis. Frames go in raw: what scales them is part of the graph. Mean and covariance are float64, as
the filters are; whoever calls carries them from step to step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from latentrl.agents.controllers import PolicyController
from latentrl.models.base import WorldModel
from latentrl.types import Belief

BEGIN, STEP = "begin", "step"
INPUTS: dict[str, tuple[str, ...]] = {
    BEGIN: ("frame",),
    STEP: ("last_mean", "last_covariance", "last_action", "frame", "seen"),
}
OUTPUTS = ("mean", "covariance", "action")


class Begin(nn.Module):
    """The first step of an episode.

    Args:
        model: filters.
        controller: asks the policy.
    """

    model: WorldModel
    controller: PolicyController

    def __init__(self, model: WorldModel, controller: PolicyController) -> None:
        super().__init__()
        self.model, self.controller = model, controller

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean ``[Dz]``, covariance ``[Dz, Dz]`` and action ``[Du]`` for a raw ``frame [*shape]``."""
        return self.answer(self.model.initial_belief(frame.unsqueeze(0)))

    def answer(self, belief: Belief) -> tuple[Tensor, Tensor, Tensor]:
        """What a graph gives back for a belief over one state: the belief, and the action that goes with it."""
        action = self.controller(Belief(belief.mean.float(), belief.covariance.float()))
        return belief.mean[0].double(), belief.covariance[0].double(), action[0].float()


class Step(Begin):
    """Every other step."""

    def forward(  # type: ignore[override]
        self, last_mean: Tensor, last_covariance: Tensor, last_action: Tensor, frame: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`Begin.forward`, from the last belief and the action ``[Du]`` that was applied since.

        ``seen`` is a boolean scalar: where False, ``frame`` is not used and the belief is the prediction.
        """
        last, action = Belief(last_mean.unsqueeze(0), last_covariance.unsqueeze(0)), last_action.unsqueeze(0)
        predicted = self.model.filter(last, action, None)
        updated = self.model.filter(last, action, frame.unsqueeze(0))
        return self.answer(
            Belief(
                torch.where(seen, updated.mean.double(), predicted.mean.double()),
                torch.where(seen, updated.covariance.double(), predicted.covariance.double()),
            )
        )


def examples(model: WorldModel) -> dict[str, tuple[Tensor, ...]]:
    """Inputs of both graphs, by their names: all zeros, but for a covariance that is the identity."""
    spec = model.spec
    frame = torch.zeros(spec.observation_shape, dtype=getattr(torch, spec.observation_dtype))
    with torch.no_grad():
        first = model.initial_belief(frame.unsqueeze(0))
    covariance = torch.eye(first.covariance.shape[-1], dtype=torch.float64)
    mean, action = torch.zeros_like(first.mean[0], dtype=torch.float64), torch.zeros(spec.action_size)
    return {BEGIN: (frame,), STEP: (mean, covariance, action, frame, torch.tensor(True))}


@contextmanager
def drawn_once(model: WorldModel, frame: Tensor) -> Iterator[None]:
    """Within the block, ``initial_states`` of the model gives what it gave for ``frame [*shape]``, without drawing.

    A filter may begin with samples of the prior, the same ones at every call, by a seed of its own. A graph has no
    generator: there they are constants.
    """
    drawn: list[Tensor] = []
    original = model.initial_states

    def remember(count: int, generator: torch.Generator | None = None) -> Tensor:
        drawn.append(original(count, generator))
        return drawn[-1]

    def repeat(count: int, generator: torch.Generator | None = None) -> Tensor:
        return next(states for states in drawn if len(states) == count)

    try:
        model.initial_states = remember  # type: ignore[method-assign]
        with torch.no_grad():
            model.initial_belief(frame.unsqueeze(0))
        model.initial_states = repeat  # type: ignore[method-assign]
        yield
    finally:
        del model.initial_states
