"""Networks of many small states at once, which are columns of buffers: what a search among plans does most.

A step of a thousand roll-outs computes little; what it copies, and where to, is what it costs. Here nothing is joined
or cut: each layer writes where the next one reads. No gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from latentrl.networks.recurrence import Recurrence

BLOCK = 1024
"""Roll-outs done together: what a step reads and writes then stays in a core's cache."""
Step = Callable[[Tensor, Tensor, Tensor], None]
"""``(state [Dz, N], control [Du, N], following [Dz, N])``: writes the last one."""


class Layers:
    """An :func:`~latentrl.networks.dense.mlp` for ``count`` columns.

    Args:
        network: as its parameters are now.
        count: columns N.
        outputs: of its last layer, the first so many; None: all.
    """

    def __init__(self, network: nn.Sequential, count: int, outputs: int | None = None) -> None:
        linear = [layer for layer in network if isinstance(layer, nn.Linear)]
        kept = [slice(None)] * (len(linear) - 1) + [slice(outputs)]
        self._weights = [layer.weight.detach()[rows] for layer, rows in zip(linear, kept, strict=True)]
        self._biases = [layer.bias.detach()[rows].unsqueeze(1) for layer, rows in zip(linear, kept, strict=True)]
        self._values = [weight.new_empty(len(weight), count) for weight in self._weights[:-1]]

    def __call__(self, inputs: Tensor, out: Tensor | None = None) -> Tensor:
        """Outputs ``[n_out, N]`` for ``inputs [n_in, N]``, in ``out`` if it is given."""
        here = inputs
        for weight, bias, values in zip(self._weights, self._biases, self._values, strict=False):
            here = torch.addmm(bias, weight, here, out=values).relu_()
        return torch.addmm(self._biases[-1], self._weights[-1], here, out=out)


class Cell:
    """A step of a :class:`~latentrl.networks.recurrence.Recurrence` for ``count`` columns.

    Args:
        recurrence: as its parameters are now.
        count: columns N.
    """

    def __init__(self, recurrence: Recurrence, count: int) -> None:
        weight_in, weight_memory, bias_in, bias_memory = (one.detach() for one in recurrence.lstm.parameters())
        self._weights, self._bias = (weight_in, weight_memory), (bias_in + bias_memory).unsqueeze(1)
        self._size = recurrence.hidden
        self._gates = weight_in.new_empty(4 * self._size, count)

    def __call__(self, inputs: Tensor, memory: Tensor, out: Tensor) -> Tensor:
        """The output ``h [hidden, N]`` of the memory ``out [2 hidden, N]`` that ``inputs [n_in, N]`` and ``memory``
        lead to."""
        size = self._size
        gates = torch.addmm(self._bias, self._weights[0], inputs, out=self._gates)
        gates.addmm_(self._weights[1], memory[:size])
        enter, forget, candidate, leave = gates.split(size)
        gates[: 2 * size].sigmoid_()
        cell = torch.mul(forget, memory[size:], out=out[size:]).addcmul_(enter, candidate.tanh_())
        return torch.tanh(cell, out=out[:size]).mul_(leave.sigmoid_())


@torch.no_grad()
def follow_columns(make: Callable[[int], Step], state: Tensor, controls: Tensor) -> Tensor:
    """The states ``[..., H, Dz]`` after each of ``controls [..., H, Du]``, from ``state [..., Dz]``.

    Args:
        make: a step for so many columns.
        state: where it starts; not part of the result.
        controls: those that are taken.
    """
    lead, horizon, size = controls.shape[:-2], controls.shape[-2], state.shape[-1]
    starts, taken = state.expand(*lead, size).reshape(-1, size), controls.reshape(-1, *controls.shape[-2:])
    path = state.new_empty(horizon + 1, size, len(starts))
    path[0] = starts.T
    columns = taken.permute(1, 2, 0).contiguous()
    for first in range(0, len(starts), BLOCK):
        some = slice(first, first + BLOCK)
        states = [now[:, some] for now in path]
        step = make(states[0].shape[1])
        for t, control in enumerate(columns[..., some]):
            step(states[t], control, states[t + 1])
    return path[1:].permute(2, 0, 1).unflatten(0, lead) if lead else path[1:, :, 0]
