"""The backward pass of iLQR: the best change of every action, and how it follows the state, within a box.

Costs, not rewards: what is called cost here is the negative reward. Step t leads from z_t to z_{t+1} and costs
l(z_{t+1}, u_t), so a step's cost and the cost-to-go of where it leads are expanded in the same variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.agents.planners.derivatives import LinearSteps, QuadraticReward
from latentrl.support.compiling import can_compile

LARGEST = 32
"""Dimensions of a state that the kernel's plain loops are faster for than a library's matrix products."""


class Gains(NamedTuple):
    """An affine policy around a plan: ``u = u_t + change_t + feedback_t (z - z_t)``.

    ``change [N, H, Du]``, ``feedback [N, H, Du, Dz]``.
    """

    change: Tensor
    feedback: Tensor


def backward_pass(
    steps: LinearSteps, reward: QuadraticReward, lower: Tensor, upper: Tensor, regularisation: Tensor
) -> Gains:
    """Dynamic programming from the plan's end to its beginning (Tassa et al., 2012; with limits, Tassa et al., 2014).

    Args:
        steps: Jacobians ``[N, H]`` along the plan.
        reward: concave expansions ``[N, H]`` at the states that the steps lead to.
        lower: how far each action may go down ``[N, H, Du]``, at most 0.
        upper: how far up, at least 0.
        regularisation: ``[N]``, added to the curvature in each action, as a multiple of the largest one met so far.
    """
    size, controls = steps.by_action.shape[-2:]
    eye = torch.eye(controls, dtype=lower.dtype, device=lower.device)
    # d(z_{t+1}, u_t) = step d(z_t, u_t): one product then moves both the state's and the action's part a step back.
    below = torch.cat((torch.zeros_like(steps.by_action.mT), eye.expand(*lower.shape[:2], -1, -1)), -1)
    joint = torch.cat((torch.cat(steps, -1), below), -2).unbind(1)
    gradients, hessians = (-reward.gradient).unsqueeze(-1).unbind(1), (-reward.hessian).unbind(1)
    lowers, uppers = lower.unsqueeze(-1).unbind(1), upper.unsqueeze(-1).unbind(1)
    slope = torch.zeros_like(gradients[0][:, :size])
    curvature = torch.zeros_like(hessians[0][:, :size, :size])
    largest = torch.full_like(regularisation, torch.finfo(lower.dtype).tiny ** 0.5)
    changes, feedbacks = [], []
    for t in range(len(joint) - 1, -1, -1):
        step, gradient, hessian = joint[t], gradients[t], hessians[t]
        gradient[:, :size] += slope
        hessian[:, :size, :size] += curvature
        q = step.mT @ gradient
        q_all = step.mT @ hessian @ step
        q_uu = q_all[:, size:, size:]
        largest = torch.maximum(largest, q_uu.diagonal(dim1=-2, dim2=-1).mean(-1))
        stiff = q_uu + (regularisation * largest)[:, None, None] * eye
        change, feedback = solve_box(stiff, q[:, size:], q_all[:, size:, :size], lowers[t], uppers[t])
        # The value of *this* affine policy under the unregularised model, Tassa et al. (2012), Eq. 11.
        # It moves the state by itself and the action by its feedback: of all blocks only the state's is large.
        changed = torch.baddbmm(q, q_all[:, :, size:], change)
        slope = changed[:, :size] + feedback.mT @ changed[:, size:]
        crossed = feedback.mT @ torch.baddbmm(q_all[:, size:, :size], q_uu, feedback, alpha=0.5)
        curvature = q_all[:, :size, :size] + crossed + crossed.mT
        curvature = 0.5 * (curvature + curvature.mT)
        changes.append(change)
        feedbacks.append(feedback)
    return Gains(torch.stack(changes[::-1], 1).squeeze(-1), torch.stack(feedbacks[::-1], 1))


def fastest_backward(low: Tensor) -> Callable[..., Gains]:
    """`backward_pass` for plans on ``low``'s device; a kernel is compiled now, if never before on this machine.

    A tensor of another class (a fake one, a traced one), or elsewhere, is given to the reference.
    """
    if low.device.type != "cpu" or not can_compile():
        return backward_pass
    # Late, for it takes half a second, and numba may not be installed.
    from latentrl.agents.planners.kernels import kernel

    kernel()
    return _compiled_backward


def _compiled_backward(
    steps: LinearSteps, reward: QuadraticReward, lower: Tensor, upper: Tensor, regularisation: Tensor
) -> Gains:
    from latentrl.agents.planners.kernels import backward_kernel

    given = steps, reward, lower, upper, regularisation
    small = steps.by_state.shape[-1] <= LARGEST
    readable = small and type(lower) is Tensor and lower.device.type == "cpu"
    return Gains(*backward_kernel(*given)) if readable else backward_pass(*given)


def solve_box(q_uu: Tensor, q_u: Tensor, q_ux: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """The least ``q_u' d + d' q_uu d / 2`` with ``lower <= d <= upper``, and the feedback of what is not at a limit.

    Projected Newton steps (Tassa et al., 2014, 3.3), as many as there are actions and one more; exact for one action.

    Args:
        q_uu: positive definite ``[N, Du, Du]``.
        q_u: ``[N, Du, 1]``.
        q_ux: ``[N, Du, Dz]``.
        lower: ``[N, Du, 1]``.
        upper: ``[N, Du, 1]``.

    Returns:
        The change ``[N, Du, 1]`` and the feedback ``[N, Du, Dz]``, zero for actions at an active limit.
    """
    controls = q_u.shape[1]
    if controls == 1:
        inverse = q_uu.reciprocal()
        wanted = -inverse * q_u
        change = wanted.clamp(lower, upper)
        return change, torch.where(change == wanted, -inverse * q_ux, 0.0)
    change = torch.zeros_like(q_u)
    for _ in range(controls + 1):
        gradient = q_u + q_uu @ change
        inverse = _free_inverse(q_uu, change, gradient, lower, upper)
        change = (change - inverse @ gradient).clamp(lower, upper)
    inverse = _free_inverse(q_uu, change, q_u + q_uu @ change, lower, upper)
    return change, -inverse @ q_ux


def _free_inverse(q_uu: Tensor, change: Tensor, gradient: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """The inverse of ``q_uu [N, Du, Du]`` on the actions without an active limit, zero on the others."""
    held = ((change <= lower) & (gradient > 0)) | ((change >= upper) & (gradient < 0))
    free = (~held).to(q_uu.dtype)
    block = free * free.mT
    # Held actions get an identity of their own, so that the rest of the matrix inverts as if they were not there.
    inverse, _ = torch.linalg.inv_ex(block * q_uu + torch.diag_embed(1.0 - free.squeeze(-1)))
    return block * inverse
