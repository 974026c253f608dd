"""Recurrent memory for models that are not Markovian in z: an LSTM whose memory can travel inside a state."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from latentrl.types import Distribution


class Recurrence(nn.Module):
    """An LSTM (sigmoid gates, tanh candidates) whose memory ``(h, c)`` is one tensor ``[..., 2 * hidden]``.

    ``forward`` runs whole sequences in one fused call, ``step`` a single step in plain operations, which take any
    leading shape and can be mapped over; both compute the same.
    """

    input_size: int
    hidden: int
    lstm: nn.LSTM

    def __init__(self, input_size: int, hidden: int) -> None:
        super().__init__()
        self.input_size, self.hidden = input_size, hidden
        self.lstm = nn.LSTM(input_size, hidden, batch_first=True)

    @property
    def memory_size(self) -> int:
        """Size of a memory: output h and cell c."""
        return 2 * self.hidden

    def empty(self, *shape: int) -> Tensor:
        """The memory ``[*shape, 2 * hidden]`` before the first input: zeros."""
        return next(self.lstm.parameters()).new_zeros(*shape, self.memory_size)

    def output(self, memory: Tensor) -> Tensor:
        """h ``[..., hidden]`` of a memory."""
        return memory[..., : self.hidden]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, hidden]`` *before* each of ``inputs [B, T, input_size]``: entry t has seen entries < t."""
        first = inputs.new_zeros(len(inputs), 1, self.hidden)
        if inputs.shape[1] == 1:
            return first
        return torch.cat((first, self.lstm(inputs[:, :-1])[0]), 1)

    def step(self, inputs: Tensor, memory: Tensor) -> Tensor:
        """The memory ``[..., 2 * hidden]`` after one more of ``inputs [..., input_size]``."""
        enter, forget, candidate, leave = self._gates(inputs, memory)
        cell = forget * memory[..., self.hidden :] + enter * candidate
        return torch.cat((leave * cell.tanh(), cell), -1)

    def step_jacobian(self, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`step` for ``inputs [N, n_in]`` and ``memory [N, 2 hidden]``, and its slopes ``[N, 2 hidden, n_in + 2
        hidden]`` in both, inputs first; it needs no recorded graph."""
        enter, forget, candidate, leave = self._gates(inputs, memory)
        c = memory[:, self.hidden :]
        cell = forget * c + enter * candidate
        seen = cell.tanh()
        # How the new cell follows each gate's own sum, and the output the cell.
        of_cell = torch.stack(
            (candidate * enter * (1 - enter), c * forget * (1 - forget), enter * (1 - candidate.square())), -1
        )
        by_cell = leave * (1 - seen.square())
        of_output = torch.cat((of_cell * by_cell.unsqueeze(-1), (seen * leave * (1 - leave)).unsqueeze(-1)), -1)
        # A unit's gates are those of its own rows: [hidden, gates, n_in + hidden].
        weight_in, weight_memory, *_ = self.lstm.parameters()
        rows = torch.cat((weight_in, weight_memory), 1).unflatten(0, (4, -1)).transpose(0, 1)
        known = self.input_size + self.hidden
        found = rows.new_zeros(len(inputs), self.memory_size, known + self.hidden)
        found[:, : self.hidden, :known] = (of_output.transpose(0, 1) @ rows).transpose(0, 1)
        found[:, self.hidden :, :known] = (of_cell.transpose(0, 1) @ rows[:, :3]).transpose(0, 1)
        found[:, : self.hidden, known:].diagonal(dim1=1, dim2=2).copy_(by_cell * forget)
        found[:, self.hidden :, known:].diagonal(dim1=1, dim2=2).copy_(forget)
        return torch.cat((leave * seen, cell), -1), found

    def _gates(self, inputs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What enters the cell, what stays of it, the candidate and what leaves it, each ``[..., hidden]``."""
        weight_in, weight_memory, bias_in, bias_memory = self.lstm.parameters()
        gates = linear(inputs, weight_in, bias_in + bias_memory) + linear(self.output(memory), weight_memory)
        enter, forget, candidate, leave = gates.chunk(4, -1)
        return enter.sigmoid(), forget.sigmoid(), candidate.tanh(), leave.sigmoid()


@dataclass(frozen=True)
class PackedGaussian:
    """A state that is uncertain in its leading dimensions, ``latent [..., Dz]``, and has a known ``memory [..., K]``.

    The density is that of the leading dimensions: the rest has none.
    """

    latent: Distribution
    memory: Tensor

    @property
    def mean(self) -> Tensor:
        """``[..., Dz + K]``."""
        return torch.cat((self.latent.mean, self.memory), -1)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., Dz + K]``."""
        return torch.cat((self.latent.rsample(generator), self.memory), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of the leading dimensions of ``value [..., Dz + K]`` in nats; the others are not looked at."""
        return self.latent.log_prob(value[..., : self.latent.mean.shape[-1]])
