"""Transitions whose network says by how much the state changes: N(z + g(z, u), diag s(z, u))."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from latentrl.networks.columns import Layers, parameters_of
from latentrl.networks.dense import DiagonalGaussianMLP
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.numerics.feedback import follow_feedback
from latentrl.numerics.rolling import all_recorded
from latentrl.numerics.slopes import slopes

BLOCK = 512
"""Roll-outs done together: what a step reads and writes then stays in a core's cache."""


def moved(network: DiagonalGaussianMLP, state: Tensor, control: Tensor) -> DiagonalGaussian:
    """The next state ``[..., Dz]`` for ``state [..., Dz]`` and a control ``[..., Du]`` on the training data's scale."""
    change = network(torch.cat((state, control), -1))
    return DiagonalGaussian(state + change.mean, change.variance)


def _parted(control: Tensor) -> tuple[Tensor, Tensor]:
    """``control [..., Du]`` within the training data's, and what it exceeds them by ``[..., 1]``, 1 or more."""
    excess = control.abs().amax(-1, keepdim=True).clamp(min=1.0)
    return control / excess, excess


def continued(network: DiagonalGaussianMLP, state: Tensor, control: Tensor) -> DiagonalGaussian:
    """:func:`moved`, continued linearly in the control beyond the largest of the training data, which is 1."""
    inside, excess = _parted(control)
    ahead, back = moved(network, state, inside), moved(network, state, -inside)
    middle, half = 0.5 * (ahead.mean + back.mean), 0.5 * (ahead.mean - back.mean)
    return DiagonalGaussian(torch.where(excess > 1, middle + excess * half, ahead.mean), ahead.variance)


class FrozenResidual:
    """A copy of such a transition that no longer changes; implements `latentrl.types.RolloutDynamics`,
    `SmoothDynamics` and `FeedbackDynamics` there.

    Gradients flow through :meth:`transition` to states and actions, never to parameters.

    Args:
        network: the transition's network as it is now.
        control_scale: of actions ``[Du]``.
    """

    def __init__(self, network: DiagonalGaussianMLP, control_scale: Tensor) -> None:
        # Tensors made in inference mode could never take part in autograd afterwards.
        with torch.inference_mode(False), torch.no_grad():
            self._network = copy.deepcopy(network).requires_grad_(False).eval()
            self._scale = control_scale.clone()
        self._layers: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz]``, ``action [..., Du]`` in the environment's units."""
        return continued(self._network, state, action / self._scale)

    @torch.no_grad()
    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """Mean states ``[..., H, Dz]`` after each of ``actions [..., H, Du]``, from ``state [..., Dz]``; no gradient.

        States are columns; the variances are left out, and so is, where no action is larger than those of the training
        data, what their continuation is made of: half of the work.
        """
        size, lead = state.shape[-1], actions.shape[:-1]
        controls = (actions / self._scale).reshape(-1, *actions.shape[-2:])
        plain = all_recorded(controls)
        parts = [part.split(BLOCK) for part in (state.reshape(-1, size), *_parted(controls))]
        layers = self._means(state.dtype, size)
        paths = [_follow(layers, now, inside, most, plain) for now, inside, most in zip(*parts, strict=True)]
        path = paths[0] if len(paths) == 1 else torch.cat(paths, 2)
        return path.permute(2, 0, 1).view(*lead, size)

    @torch.no_grad()
    def jacobians(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes of the mean in the state ``[..., Dz, Dz]`` and the action ``[..., Dz, Du]``; no gradient."""
        size, lead = state.shape[-1], state.shape[:-1]
        controls = (action / self._scale).reshape(-1, action.shape[-1])
        if not all_recorded(controls):
            return self._differentiated(state, action)
        (first, shift), *others = self._means(state.dtype, size)
        values = torch.addmm(shift.T, torch.cat((state.reshape(-1, size), controls), -1), first.T)
        found = first.expand(len(values), -1, -1)
        for weight, bias in others:
            found = weight @ (found * (values > 0).unsqueeze(-1))
            values = torch.addmm(bias.T, values.relu(), weight.T)
        by_state = found[..., :size] + torch.eye(size, dtype=found.dtype, device=found.device)
        by_action = found[..., size:] / self._scale
        return by_state.reshape(*lead, size, size), by_action.reshape(*lead, size, -1)

    @torch.no_grad()
    def rollout_feedback(
        self, state: Tensor, base: Tensor, feedback: Tensor, around: Tensor, low: Tensor, high: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Actions ``[N, H, Du]`` and mean states ``[N, H, Dz]`` of an affine policy: see
        `latentrl.types.FeedbackDynamics`."""
        plain = all_recorded(torch.stack((low, high)) / self._scale)
        layers = self._means(state.dtype, state.shape[-1])

        def step(before: Tensor, action: Tensor) -> Tensor:
            inside, excess = _parted((action / self._scale).unsqueeze(1))
            return _follow(layers, before, inside, excess, plain)[0].T

        return follow_feedback(step, state, base, feedback, around, low, high)

    def _differentiated(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The slopes of what is continued beyond the recorded actions, by automatic differentiation."""
        own = next(self._network.parameters()).dtype
        network = self._network if state.dtype == own else copy.deepcopy(self._network).to(state.dtype)
        return slopes(lambda before, taken: continued(network, before, taken / self._scale).mean, state, action)

    def _means(self, dtype: torch.dtype, size: int) -> list[tuple[Tensor, Tensor]]:
        """Weights ``[n_out, n_in]`` and biases ``[n_out, 1]`` of all layers; of the last what the means need."""
        if dtype not in self._layers:
            with torch.inference_mode(False), torch.no_grad():
                found = parameters_of(self._network.network, size)
                self._layers[dtype] = [(weight.to(dtype).clone(), bias.to(dtype).clone()) for weight, bias in found]
        return self._layers[dtype]


def _follow(layers: list[tuple[Tensor, Tensor]], state: Tensor, inside: Tensor, excess: Tensor, plain: bool) -> Tensor:
    """Mean states ``[H, Dz, N]`` from ``state [N, Dz]`` for controls ``excess * inside``: ``inside [N, H, Du]``
    is within the training data's and ``excess [N, H, 1]`` at least 1; ``plain`` where all are 1."""
    (count, size), horizon = state.shape, inside.shape[1]
    path = state.new_empty(horizon, size, count)
    ways = 1 if plain else 2
    inputs = state.new_empty(size + inside.shape[2], ways, count)
    controls, beyond = inside.permute(1, 2, 0), 0.5 * (excess.permute(1, 2, 0) - 1.0)
    network = Layers(layers, ways * count)
    last = state.T
    for t in range(horizon):
        inputs[:size] = last.unsqueeze(1)
        inputs[size:, 0] = controls[t]
        if not plain:
            torch.neg(controls[t], out=inputs[size:, 1])
        change = network(inputs.flatten(1)).view(size, ways, count)
        torch.add(last, change[:, 0], out=path[t])
        if not plain:
            path[t].addcmul_(beyond[t], change[:, 0] - change[:, 1])
        last = path[t]
    return path
