"""Ground truth, for evaluation alone: the pendulum's true physics as a model to plan in.

A planner on the true physics is the upper bound of the same planner on a learned model. Nothing that learns, and no
agent that is judged, may import this module; a test holds that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from latentrl.envs.measures.base import Floats
from latentrl.envs.pendulum import physics
from latentrl.numerics.distributions import DiagonalGaussian

VARIANCE = 1e-12


class TruePendulum:
    """The physics of ``latentrl/Pendulum-v0`` on states ``(cos angle, sin angle, velocity)``; rad/s, angle 0 upright.

    Implements `latentrl.envs.description.TruePhysics`, differentiably and in the dtype of its arguments. The first two
    dimensions are the position, the last is the velocity, so that rewards read it like a learned state.

    Args:
        control_step: seconds that an action is held for.
    """

    position_size = 2

    def __init__(self, control_step: float = physics.CONTROL_STEP) -> None:
        self.control_step = control_step

    def state(self, truth: Mapping[str, Floats]) -> Tensor:
        """States ``[N, 3]`` float32 of the true "angle" (rad) and "velocity" (rad/s), each ``[N]``."""
        angle, velocity = (torch.from_numpy(np.array(truth[name], dtype=np.float32)) for name in ("angle", "velocity"))
        return torch.stack((angle.cos(), angle.sin(), velocity), -1)

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        """The state one control step after ``state [..., 3]`` under the torque ``action [..., 1]``, N m."""
        angle, velocity = torch.atan2(state[..., 1], state[..., 0]), state[..., 2]
        angle, velocity = advance(angle, velocity, action[..., 0], self.control_step)
        mean = torch.stack((angle.cos(), angle.sin(), velocity), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, VARIANCE))


def advance(
    angle: Tensor, velocity: Tensor, torque: Tensor, duration: float = physics.CONTROL_STEP
) -> tuple[Tensor, Tensor]:
    """`latentrl.envs.pendulum.physics.advance` in torch: ``[...]`` rad, rad/s, N m -> angle (not wrapped), velocity.

    Every ``a.add(b, alpha=c)`` is ``a + c * b`` in one operation: a plan takes thousands of these on small tensors.
    """
    substeps = physics.integration(duration)[1]
    h = duration / substeps
    push = torque / (physics.MASS * physics.LENGTH**2)

    def acceleration(at: Tensor, speed: Tensor) -> Tensor:
        return push.add(speed, alpha=-physics.FRICTION).add(at.sin(), alpha=physics.GRAVITY / physics.LENGTH)

    for _ in range(substeps):
        slope_1 = acceleration(angle, velocity)
        velocity_2 = velocity.add(slope_1, alpha=0.5 * h)
        slope_2 = acceleration(angle.add(velocity, alpha=0.5 * h), velocity_2)
        velocity_3 = velocity.add(slope_2, alpha=0.5 * h)
        slope_3 = acceleration(angle.add(velocity_2, alpha=0.5 * h), velocity_3)
        velocity_4 = velocity.add(slope_3, alpha=h)
        slope_4 = acceleration(angle.add(velocity_3, alpha=h), velocity_4)
        angle = angle.add((velocity + velocity_4).add(velocity_2 + velocity_3, alpha=2.0), alpha=h / 6.0)
        velocity = velocity.add((slope_1 + slope_4).add(slope_2 + slope_3, alpha=2.0), alpha=h / 6.0)
    return angle, velocity
