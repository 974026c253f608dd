"""A penalty that gives the velocity coordinates: displacements of the position in a time step.

The bound leaves the velocity's coordinates free, v -> G(a) v. The displacement since the last time step is a velocity
in the position's own coordinates, and the next control does not act on it yet. A departure from the source.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from latentrl.geometry.plane import Plane
from latentrl.geometry.topology import Topology
from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameEncoder, Sampled, StateSampler
from latentrl.numerics.least_squares import unexplained
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings


class VelocityPenalty(Penalty):
    """The share of the displacements that no linear map of the velocities predicts, as a part of the rate.

    For models with as many velocities as positions, or that began on a chart; for those that read positions off whole
    sequences, where a position may hide the velocity (docs/dks.md); for those with a memory, which may (docs/kvae.md).
    """

    needs: ClassVar[tuple[type, ...]] = (StateSampler,)
    reads_states = True
    position_size: int
    target: PositionTarget
    weight: float

    def __init__(self, position_size: int, target: PositionTarget, weight: float) -> None:
        self.position_size, self.target, self.weight = position_size, target, weight

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> VelocityPenalty | None:
        elsewhere = not isinstance(model, FrameEncoder) or model.latent_size < model.state_size
        hides = model.position_size < model.latent_size and elsewhere
        wanted = settings.warm_start > 0 or model.latent_size == 2 * model.position_size or hides
        weight = settings.velocity_alignment
        return cls(model.position_size, target, weight) if wanted and weight > 0 else None

    @classmethod
    def described(cls, settings: TrainSettings) -> str | None:
        if not settings.velocity_alignment > 0:
            return None
        return f"{settings.velocity_alignment:.3g} nats a step of the displacements that the velocity does not tell"

    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        if sampled.states is None:
            return None
        weight = self.weight * step.batch.length * step.beta
        return weight * self.unexplained(sampled.states, step.index)

    def unexplained(self, states: Tensor, index: Tensor) -> Tensor:
        """The share of their displacements that the velocities of ``states [B, T, Dz]`` leave unexplained, a scalar.

        Args:
            states: sampled.
            index: ``[B]``, the numbers of their sequences.
        """
        components = self.target.components
        if components is None or isinstance(self.target.topology, Plane):
            return velocity_unexplained(states, self.position_size)
        return turn_unexplained(states, components[index, : states.shape[1]], self.target.topology)


def velocity_unexplained(states: Tensor, position_size: int) -> Tensor:
    """The share of the last step's displacement that a linear map of the velocity leaves unexplained, a scalar.

    With fewer velocities than positions, the map is linear in the velocity and affine in the position: around a ring,
    one velocity moves two positions.

    Args:
        states: sampled ``[B, T, Dz]``.
        position_size: Da.
    """
    position, velocity = states[..., :position_size], states[:, 1:, position_size:].flatten(0, 1)
    moved = position.diff(dim=1).flatten(0, 1).detach()
    if velocity.shape[-1] < position_size:
        there = position[:, 1:].flatten(0, 1).detach()
        there = (there - there.mean(0)) / there.std(0)
        turning = (velocity.unsqueeze(-1) * there.unsqueeze(-2)).flatten(1)
        velocity = torch.cat((velocity, turning), -1)
    return unexplained(velocity, moved / moved.std(0))


def turn_unexplained(states: Tensor, places: Tensor, topology: Topology) -> Tensor:
    """The share of displacements on ``topology`` that a linear map of the velocity leaves unexplained, a scalar.

    One map for all positions fixes the velocity's coordinates.

    Args:
        states: sampled ``[B, T, Dz]``.
        places: the states' coordinates on the topology ``[B, T, K]``, straight and of unit variance. Displacements are
            those of the position, nearly a linear map of them, since single places are less exact.
        topology: with as many displacements as there are velocities.
    """
    size = places.shape[-1]
    moved = topology.displacements(states[..., :size], places)
    return unexplained(states[:, 1:, size:].flatten(0, 1), moved / moved.std(0))
