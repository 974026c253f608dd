"""Ground truth, for evaluation alone: the pendulum's true physics as a model to plan in, and agents that are told the
true state.

A planner on the true physics is the upper bound of the same planner on a learned model. Nothing that learns, and no
agent that is judged, may import this module; a test holds that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.agents import Controller
from latentrl.envs.pendulum import physics
from latentrl.envs.reacher.geometry import wrapped
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief

POSITION_SIZE = 2
VARIANCE = 1e-12


class TruePendulum:
    """The physics of ``latentrl/Pendulum-v0`` on states ``(cos angle, sin angle, velocity)``; rad/s, angle 0 upright.

    Implements `latentrl.types.Dynamics`, differentiably and in the dtype of its arguments. The first two dimensions are
    the position, the last is the velocity, so that the rewards of `latentrl.rewards.distance` read it like a learned state.
    """

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        """The state one control step after ``state [..., 3]`` under the torque ``action [..., 1]``, N m."""
        angle, velocity = torch.atan2(state[..., 1], state[..., 0]), state[..., 2]
        angle, velocity = advance(angle, velocity, action[..., 0])
        mean = torch.stack((angle.cos(), angle.sin(), velocity), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, VARIANCE))


def advance(angle: Tensor, velocity: Tensor, torque: Tensor) -> tuple[Tensor, Tensor]:
    """`latentrl.envs.pendulum.physics.advance` in torch: ``[...]`` rad, rad/s, N m -> angle (not wrapped), velocity.

    Every ``a.add(b, alpha=c)`` is ``a + c * b`` in one operation: a plan takes thousands of these on small tensors.
    """
    h = physics.CONTROL_STEP / physics.SUBSTEPS
    push = torque / (physics.MASS * physics.LENGTH**2)

    def acceleration(at: Tensor, speed: Tensor) -> Tensor:
        return push.add(speed, alpha=-physics.FRICTION).add(at.sin(), alpha=physics.GRAVITY / physics.LENGTH)

    for _ in range(physics.SUBSTEPS):
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


class OracleAgent:
    """Acts on the true state instead of observations; implements `latentrl.evaluation.protocol.TruthAgent`.

    Args:
        controller: what to do, given a belief without doubt over states of :class:`TruePendulum`.
    """

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def reset(self, seed: int | None = None) -> None:
        """New episodes begin; ``seed`` reaches the controller's own randomness."""
        self.controller.reset(seed)

    @torch.inference_mode()
    def act_on_truth(self, truth: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
        """Actions ``[N, Du]`` for the true "angle" (rad) and "velocity" (rad/s), each ``[N]``."""
        angle, velocity = (torch.from_numpy(np.array(truth[name], dtype=np.float32)) for name in ("angle", "velocity"))
        mean = torch.stack((angle.cos(), angle.sin(), velocity), -1)
        belief = Belief(mean, mean.new_zeros(*mean.shape, mean.shape[-1]))
        return self.controller(belief).numpy().astype(np.float32)


class ServoAgent:
    """Moves a reacher's joints to true poses by proportional-derivative control: how well one can do who is told all.

    Implements `latentrl.evaluation.protocol.TruthAgent`. The shoulder turns the shorter way. The gains are set by hand for a
    control step of 0.04 s, in torque (a share of the motors') per rad and per rad/s.

    Args:
        goals: true poses ``[N, 2]``, rad.
        torque: the largest that it may apply.
    """

    STIFFNESS, DAMPING = 1.0, 0.1

    def __init__(self, goals: NDArray[np.float64], torque: float) -> None:
        self.goals, self.torque = goals, torque

    def reset(self, seed: int | None = None) -> None:
        """Nothing to forget."""

    def act_on_truth(self, truth: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
        """Actions ``[N, 2]`` for the true "angles" (rad) and "velocities" (rad/s), each ``[N, 2]``."""
        error = self.goals - truth["angles"]
        error[:, 0] = wrapped(error[:, 0])
        wanted = self.STIFFNESS * error - self.DAMPING * truth["velocities"]
        return np.clip(wanted, -self.torque, self.torque).astype(np.float32)
