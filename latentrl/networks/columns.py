"""Networks of many small states at once, which are columns of buffers: what a search among plans does most.

A step of a thousand roll-outs computes little; what it copies, and where to, is what it costs. Here nothing is joined
or cut: each layer writes where the next one reads. No gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from latentrl.networks.recurrence import Recurrence

BLOCK = 1024
"""Roll-outs done together: what a step reads and writes then stays in a core's cache."""
Step = Callable[[Tensor, Tensor, Tensor], None]
"""``(state [Dz, N], control [Du, N], following [Dz, N])``: writes the last one."""


def parameters_of(network: nn.Sequential, outputs: int | None = None) -> list[tuple[Tensor, Tensor]]:
    """Weights ``[n_out, n_in]`` and biases ``[n_out, 1]`` of the layers of an :func:`~latentrl.networks.dense.mlp`.

    Args:
        network: as its parameters are now; they are not copied.
        outputs: of its last layer, the first so many; None: all.
    """
    layers = [(one.weight.detach(), one.bias.detach().unsqueeze(1)) for one in network if isinstance(one, nn.Linear)]
    weight, bias = layers[-1]
    return [*layers[:-1], (weight[:outputs], bias[:outputs])]


class Layers:
    """A network for ``count`` columns; what it returns is overwritten by the next call.

    Args:
        parameters: of its layers, see `parameters_of`.
        count: columns N.
    """

    def __init__(self, parameters: Sequence[tuple[Tensor, Tensor]], count: int) -> None:
        self._parameters = parameters
        self._values = [weight.new_empty(len(weight), count) for weight, _ in parameters]

    def __call__(self, inputs: Tensor, out: Tensor | None = None) -> Tensor:
        """Outputs ``[n_out, N]`` for ``inputs [n_in, N]``, in ``out`` if it is given."""
        here, (*hidden, (weight, bias)) = inputs, self._parameters
        for (inner, shift), values in zip(hidden, self._values, strict=False):
            here = torch.addmm(shift, inner, here, out=values).relu_()
        return torch.addmm(bias, weight, here, out=self._values[-1] if out is None else out)


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
