"""A locally linear transition that no longer changes: its parameters prepared once, its roll-outs as fast as they get.

`LocallyLinearTransition` lays its parameters out at every call, because training changes them between calls. Planning
calls it thousands of times in a row on the same parameters.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from latentrl.transitions import LocallyLinearGaussian, LocallyLinearTransition, Weights

BLOCK = 1024
"""Roll-outs done together: what a step reads and writes then stays in a core's cache."""


class FrozenTransition:
    """A copy of a transition: what happens to the original later does not reach it, so nothing in it can be stale.

    Implements `latentrl.types.Dynamics`, `RolloutDynamics` and `LinearDynamics`. Gradients flow through
    :meth:`transition` to states and actions, never to parameters.

    Args:
        module: the transition as it is now.
    """

    def __init__(self, module: LocallyLinearTransition) -> None:
        self._module = copy.deepcopy(module).requires_grad_(False).eval()
        self._weights: dict[torch.dtype, Weights] = {}

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

    @torch.no_grad()
    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz]`` after each of ``actions [..., H, Du]``, from ``state [..., Dz]``; no gradient.

        States are columns here, so that every operation runs along the batch, and no step allocates anything; the
        result is a transposed view. The noise is never mixed.
        """
        size, weights = state.shape[-1], self.weights(state.dtype)
        starts = state.reshape(-1, size).split(BLOCK)
        plans = actions.reshape(-1, *actions.shape[-2:]).split(BLOCK)
        paths = [_follow(weights, *pair) for pair in zip(starts, plans, strict=True)]
        path = paths[0] if len(paths) == 1 else torch.cat(paths, 2)
        return path.permute(2, 0, 1).view(*actions.shape[:-1], size)


def _follow(weights: Weights, state: Tensor, actions: Tensor) -> Tensor:
    """Mean states ``[H, Dz, N]`` after each of ``actions [N, H, Du]`` from ``state [N, Dz]``."""
    (count, size), horizon = state.shape, actions.shape[1]
    inputs = size + actions.shape[2]
    # Entry t holds z_t above u_t: what step t reads, and where step t - 1 writes.
    path = state.new_empty(horizon + 1, inputs, count)
    path[0, :size] = state.T
    path[:-1, size:] = actions.permute(1, 2, 0)
    path[:-1, size:] /= weights.control_scale[:, None]

    first = torch.cat((weights.state_in, weights.control_in)).T.contiguous()
    layers = [(first, weights.bias_in[:, None])]
    layers += [(weight.T.contiguous(), bias[:, None]) for weight, bias in weights.layers]
    mixing = weights.dynamics.T.contiguous()
    activations = [state.new_empty(len(weight), count) for weight, _ in layers]
    alpha, mixed = torch.empty_like(activations[-1]), state.new_empty(len(mixing), count)
    matrices = mixed.view(size, inputs, count)
    for t in range(horizon):
        hidden = step = path[t]
        for (weight, bias), out in zip(layers[:-1], activations[:-1], strict=True):
            hidden = torch.addmm(bias, weight, hidden, out=out).relu_()
        weight, bias = layers[-1]
        torch.addmm(bias, weight, hidden, out=activations[-1])
        torch.softmax(activations[-1], 0, out=alpha)
        torch.mm(mixing, alpha, out=mixed)
        torch.sum(matrices.mul_(step), 1, out=path[t + 1, :size])
    return path[1:, :size]
