"""Ground truth, for evaluation alone: the maze's true physics as a model to plan in.

A planner on the true physics shows what the distance to the goal alone makes of it: nothing is left to be learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from latentrl.envs.maze import physics
from latentrl.envs.measures.base import Floats
from latentrl.numerics.distributions import DiagonalGaussian

VARIANCE = 1e-12


class TrueMaze:
    """The physics of ``latentrl/Maze-v0`` on states ``(x, y, x', y')``, m and m/s.

    Implements `latentrl.envs.description.TruePhysics`, differentiably and in the dtype of its arguments.

    Args:
        control_step: seconds that a force is held for.
    """

    position_size = 2

    def __init__(self, control_step: float = physics.CONTROL_STEP) -> None:
        self.control_step = control_step

    def state(self, truth: Mapping[str, Floats]) -> Tensor:
        """States ``[N, 4]`` float32 of the true "position" (m) and "velocity" (m/s), each ``[N, 2]``."""
        return torch.from_numpy(np.concatenate((truth["position"], truth["velocity"]), -1).astype(np.float32))

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        """The state one control step after ``state [..., 4]`` under the force ``action [..., 2]``, N."""
        mean = torch.cat(advance(state[..., :2], state[..., 2:], action, self.control_step), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, VARIANCE))


def contact(position: Tensor) -> Tensor:
    """`latentrl.envs.maze.physics.contact` in torch."""
    away = torch.stack(((position[..., 0] - physics.WALL_END).clamp(min=0), position[..., 1]), -1)
    distance = away.norm(dim=-1, keepdim=True)
    upwards = away.new_tensor((0.0, 1.0))
    out = torch.where(distance > 0, away / distance.clamp(min=1e-12), upwards)
    sides = position.clamp(-physics.ROOM, physics.ROOM) - position
    return sides + (physics.WALL_RADIUS - distance).clamp(min=0) * out


def advance(position: Tensor, velocity: Tensor, force: Tensor, duration: float) -> tuple[Tensor, Tensor]:
    """`latentrl.envs.maze.physics.advance` in torch: ``[..., 2]`` m, m/s, N -> position, velocity."""
    h = duration / physics.SUBSTEPS
    for _ in range(physics.SUBSTEPS):
        depth = contact(position)
        touching = (depth != 0).any(-1, keepdim=True)
        velocity = velocity + h * (force / physics.MASS + physics.STIFFNESS * depth)
        velocity = velocity / (1.0 + h * (physics.FRICTION + physics.DAMPING * touching))
        position = position + h * velocity
    return position, velocity
