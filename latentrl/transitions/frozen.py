"""A locally linear transition that no longer changes: its parameters prepared once, its roll-outs as fast as they get.

`LocallyLinearTransition` lays its parameters out at every call, because training changes them between calls. Planning
calls it thousands of times in a row on the same parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latentrl.numerics.feedback import follow_feedback
from latentrl.support.compiling import can_compile
from latentrl.transitions.locally_linear import LocallyLinearGaussian, LocallyLinearTransition, Weights
from latentrl.transitions.tape import Columns, TransitionTape

if TYPE_CHECKING:
    from latentrl.transitions.kernels import KernelRollout

BLOCK = 1024
"""Roll-outs done together: what a step reads and writes then stays in a core's cache."""


class FrozenTransition:
    """A copy of a transition: what happens to the original later does not reach it, so nothing in it can be stale.

    Implements `latentrl.types.Dynamics`, `RolloutDynamics`, `LinearDynamics`, `SmoothDynamics`, `FeedbackDynamics`
    and `AdjointDynamics`.
    Gradients flow through :meth:`transition` to states and actions, never to parameters.

    Args:
        module: the transition as it is now.
    """

    def __init__(self, module: LocallyLinearTransition) -> None:
        self._module = copy.deepcopy(module).requires_grad_(False).eval()
        self._weights: dict[torch.dtype, Weights] = {}
        self._columns: dict[torch.dtype, Columns] = {}
        # A kernel reads what lies in memory, so that it may be given nothing else.
        self._sizes = module.state_size, module.action_size
        self._fast = self._kernel() if can_compile() else None

    def _kernel(self) -> KernelRollout | None:
        """Roll-outs in float32 on the processor. Made with the transition, for the first on a machine is compiled."""
        weights = self.weights(torch.float32)
        if type(weights.dynamics) is not Tensor or weights.dynamics.device.type != "cpu":
            return None
        # Late, for it takes half a second, and numba may not be installed.
        from latentrl.transitions.kernels import KernelRollout

        return KernelRollout(weights)

    def weights(self, dtype: torch.dtype) -> Weights:
        """The parameters in ``dtype``, laid out on first use."""
        if dtype not in self._weights:
            # Tensors made in inference mode could never take part in autograd afterwards.
            with torch.inference_mode(False), torch.no_grad():
                self._weights[dtype] = self._module.weights(dtype)
        return self._weights[dtype]

    def transition(self, state: Tensor, action: Tensor) -> LocallyLinearGaussian:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]``, ``action [..., Du]`` in the environment's units."""
        return self.weights(state.dtype).transition(state, action)

    def linearise(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F ``[..., Dz, Dz]``, B ``[..., Dz, Du]`` (per unit of action) and Q ``[..., Dz, Dz]`` of Eq. 4.13.

        The mean of the transition *is* F z + B u; F is not its Jacobian, which also moves the mixture.
        """
        weights = self.weights(state.dtype)
        size, lead = state.shape[-1], state.shape[:-1]
        control = weights.scaled(action).reshape(-1, action.shape[-1])
        local = weights.linearise(state.reshape(-1, size), weights.gate_input(control))
        control_matrix = local.dynamics[..., size:] / weights.control_scale
        return (
            local.state_matrix.view(*lead, size, size),
            control_matrix.view(*lead, size, -1),
            local.noise.view(*lead, size, size),
        )

    def tape(self, horizon: int, count: int, dtype: torch.dtype) -> TransitionTape:
        """To go through ``horizon`` steps of ``count`` states and back: see `latentrl.types.AdjointDynamics`."""
        return TransitionTape(self._in_columns(dtype), horizon, count)

    def _in_columns(self, dtype: torch.dtype) -> Columns:
        if dtype not in self._columns:
            with torch.inference_mode(False), torch.no_grad():
                self._columns[dtype] = Columns.of(self.weights(dtype))
        return self._columns[dtype]

    @torch.no_grad()
    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the mean in the state ``[..., Dz, Dz]`` and the action ``[..., Dz, Du]``.

        z' = D x for x = (z, u) and D = sum_m alpha_m D_m, so that its slope is D + sum_m (D_m x) (d alpha_m / dx)'.
        """
        weights, size, lead = self.weights(state.dtype), state.shape[-1], state.shape[:-1]
        control = weights.scaled(action).reshape(-1, action.shape[-1])
        inputs = torch.cat((state.reshape(-1, size), control), -1)
        values, slopes = inputs, torch.cat((weights.state_in, weights.control_in)).T
        values = torch.addmm(weights.bias_in, inputs, slopes.T)
        for weight, bias in weights.layers:
            # [N, n_out, m]: what the layers so far have done to every input, without those that are switched off.
            slopes = weight.T @ (slopes * (values > 0).unsqueeze(-1))
            values = torch.addmm(bias, values.relu(), weight)
        alpha = values.softmax(-1)
        moved = (weights.dynamics.view(-1, inputs.shape[-1]) @ inputs.T).view(len(alpha.T), size, -1)
        # d alpha_m = alpha_m (d logit_m - sum_k alpha_k d logit_k): the mean is taken off what alpha weighs instead.
        mixed = alpha.T.unsqueeze(1) * moved
        spread = mixed - alpha.T.unsqueeze(1) * mixed.sum(0)
        found = (alpha @ weights.dynamics).unflatten(-1, (size, -1)) + spread.permute(2, 1, 0) @ slopes
        by_action = found[..., size:] / weights.control_scale
        return found[..., :size].view(*lead, size, size), by_action.view(*lead, size, -1)

    @torch.no_grad()
    def rollout_feedback(
        self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Actions ``[N, H, Du]`` and mean states ``[N, H, Dz]`` of an affine policy: see
        `latentrl.types.FeedbackDynamics`."""
        given = state, base, feedback, around, low, high
        size, controls = self._sizes
        count, horizon = base.shape[0], base.shape[1]
        plan = (count, horizon)
        shapes = (count, size), (*plan, controls), (*plan, controls, size), (*plan, size), (controls,), (controls,)
        if self._fast is not None and _readable(given) and tuple(tuple(one.shape) for one in given) == shapes:
            return self._fast.feedback(*given)
        return follow_feedback(lambda state, action: self.transition(state, action).mean, *given)

    @torch.no_grad()
    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz]`` after each of ``actions [..., H, Du]``, from ``state [..., Dz]``; no gradient.

        States are columns here, so that every operation runs along the batch, and no step allocates anything; the
        result is a transposed view. The noise is never mixed.
        """
        size = state.shape[-1]
        starts, plans = state.reshape(-1, size), actions.reshape(-1, *actions.shape[-2:])
        fits = len(starts) == len(plans) and (size, plans.shape[-1]) == self._sizes
        if self._fast is not None and fits and _readable((state, actions)):
            return self._fast(starts, plans).view(*actions.shape[:-1], size)
        columns = self._in_columns(state.dtype)
        pairs = zip(starts.split(BLOCK), plans.split(BLOCK), strict=True)
        paths = [_follow(columns, *pair) for pair in pairs]
        path = paths[0] if len(paths) == 1 else torch.cat(paths, 2)
        return path.permute(2, 0, 1).view(*actions.shape[:-1], size)


def _readable(given: Sequence[Tensor]) -> bool:
    """Whether a kernel can read these: a tensor of another class (a fake one, a traced one) may have no numbers."""
    return all(type(one) is Tensor and one.dtype == torch.float32 for one in given)


def _follow(columns: Columns, state: Tensor, actions: Tensor) -> Tensor:
    """Mean states ``[H, Dz, N]`` after each of ``actions [N, H, Du]`` from ``state [N, Dz]``."""
    (count, size), horizon = state.shape, actions.shape[1]
    inputs = size + actions.shape[2]
    # Entry t holds z_t above u_t: what step t reads, and where step t - 1 writes.
    path = state.new_empty(horizon + 1, inputs, count)
    path[0, :size] = state.T
    path[:-1, size:] = actions.permute(1, 2, 0)
    path[:-1, size:] /= columns.control_scale

    *hidden_layers, (last, last_bias) = columns.layers
    activations = [state.new_empty(len(weight), count) for weight, _ in columns.layers]
    alpha, mixed = torch.empty_like(activations[-1]), state.new_empty(len(columns.dynamics), count)
    matrices = mixed.view(size, inputs, count)
    for t in range(horizon):
        hidden = step = path[t]
        for (weight, bias), out in zip(hidden_layers, activations, strict=False):
            hidden = torch.addmm(bias, weight, hidden, out=out).relu_()
        torch.addmm(last_bias, last, hidden, out=activations[-1])
        torch.softmax(activations[-1], 0, out=alpha)
        torch.mm(columns.dynamics, alpha, out=mixed)
        torch.sum(matrices.mul_(step), 1, out=path[t + 1, :size])
    return path[1:, :size]
