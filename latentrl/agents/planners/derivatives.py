"""Local models for iLQR: dynamics to first order, a reward to second, for many points at once."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.agents.planners.common import path_rewards
from latentrl.numerics.slopes import gradients, slopes
from latentrl.types import ConcaveReward, Dynamics, Reward, SmoothDynamics


class LinearSteps(NamedTuple):
    """Jacobians of z' at ``[..., Dz]``, ``[..., Du]``: by the state ``[..., Dz, Dz]``, the action ``[..., Dz, Du]``."""

    by_state: Tensor
    by_action: Tensor


class QuadraticReward(NamedTuple):
    """Gradient ``[..., Dz + Du]`` and Hessian ``[..., Dz + Du, Dz + Du]`` of a reward by state and action."""

    gradient: Tensor
    hessian: Tensor


def jacobians(dynamics: Dynamics, state: Tensor, action: Tensor) -> LinearSteps:
    """Exact Jacobians of the transition's mean at ``state [..., Dz]`` and ``action [..., Du]``.

    By automatic differentiation where the dynamics do not know them.
    """
    if isinstance(dynamics, SmoothDynamics):
        return LinearSteps(*dynamics.jacobians(state, action))
    return LinearSteps(*slopes(lambda *inputs: dynamics.transition(*inputs).mean, state, action))


def quadratic(reward: Reward, state: Tensor, action: Tensor) -> QuadraticReward:
    """The reward's expansion at ``state [..., Dz]`` and ``action [..., Du]``, by automatic differentiation."""
    with torch.inference_mode(False), torch.enable_grad():
        inputs = [tensor.clone().requires_grad_() for tensor in (state, action)]
        gradient = torch.cat(gradients(reward(*inputs), inputs, keep=True), -1)
        rows = [torch.cat(gradients(entry, inputs), -1) for entry in gradient.unbind(-1)]
    hessian = torch.stack(rows, -2)
    return QuadraticReward(gradient.detach(), 0.5 * (hessian + hessian.mT))


def path_expansion(reward: Reward, path: Tensor, actions: Tensor) -> QuadraticReward:
    """The concave expansion at states ``path [B, H, Dz]`` and ``actions [B, H, Du]``.

    By automatic differentiation where the reward does not know its own.
    """
    turned = path.transpose(0, 1), actions.transpose(0, 1)
    known = reward.expansion(*turned) if isinstance(reward, ConcaveReward) else None
    if known is None:
        return concave(quadratic(partial(path_rewards, reward), path, actions))
    gradient, hessian = known
    return QuadraticReward(gradient.transpose(0, 1).nan_to_num(0.0, 0.0, 0.0), hessian.transpose(0, 1))


def concave(reward: QuadraticReward) -> QuadraticReward:
    """``reward`` with its Hessian's positive eigenvalues set to zero, so that the local problem has a maximum.

    Entries that are not finite count as zero: a diverged roll-out carries no information.
    """
    gradient, hessian = reward.gradient.nan_to_num(0.0, 0.0, 0.0), reward.hessian.nan_to_num(0.0, 0.0, 0.0)
    values, vectors = torch.linalg.eigh(hessian)
    return QuadraticReward(gradient, (vectors * values.clamp(max=0.0).unsqueeze(-2)) @ vectors.mT)
