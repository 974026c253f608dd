"""What an agent believes while it acts: kept for a figure, and decoded for a film."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents import LatentAgent
from latentrl.envs.description import TruthAgent
from latentrl.envs.measures import Floats
from latentrl.evaluation.protocol import Pictures
from latentrl.figures.belief import deviations
from latentrl.models.base import WorldModel
from latentrl.types import Agent, is_image_shape


class BeliefNotes:
    """The covariances of an agent's belief, one after each action; none for an agent without belief.

    Args:
        agent: whose; of parallel episodes the first.
        model: the one that the agent acts in.
    """

    agent: Agent | TruthAgent
    model: WorldModel

    def __init__(self, agent: Agent | TruthAgent, model: WorldModel) -> None:
        self.agent, self.model = agent, model
        self._covariances: list[Tensor] = []

    def note(self) -> None:
        """Keep the belief in which the agent has just acted."""
        if isinstance(self.agent, LatentAgent):
            self._covariances.append(self.agent.belief.covariance[0])

    def note_and_show(self) -> Pictures:
        """Keep it, and give the picture of it."""
        self.note()
        return believed(self.agent, self.model)

    @property
    def deviations(self) -> dict[str, Floats]:
        """Standard deviations ``[T]`` of the belief's parts, by name."""
        if not self._covariances:
            return {}
        return deviations(torch.stack(self._covariances).double().numpy(), self.model.position_size)


def believed(agent: Agent | TruthAgent, model: WorldModel) -> Pictures:
    """The picture of what an agent believes, by its caption; none where the model sees no pictures."""
    if not is_image_shape(model.spec.observation_shape) or not isinstance(agent, LatentAgent):
        return {}
    return {"believed": believed_picture(model, agent.belief.mean)}


@torch.no_grad()
def believed_picture(model: WorldModel, state: Tensor) -> NDArray[np.uint8]:
    """The picture ``[H, W, C]`` uint8 that the model decodes from the first of the states ``[N, Dz]``."""
    picture = model.emission(state[:1].float()).mean[0]
    return picture.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
