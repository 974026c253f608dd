"""Recurrent memory for models that are not Markovian in z: an LSTM whose memory can travel inside a state."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrence(nn.Module):
    """An LSTM (sigmoid gates, tanh candidates) whose memory ``(h, c)`` is one tensor ``[..., 2 * hidden]``.

    ``forward`` runs whole sequences in one fused call, ``step`` a single step in plain operations that take any
    leading shape; both compute the same.
    """

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
        return self.lstm.weight_hh_l0.new_zeros(*shape, self.memory_size)

    def output(self, memory: Tensor) -> Tensor:
        """h ``[..., hidden]`` of a memory."""
        return memory[..., : self.hidden]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs ``[B, T, hidden]`` after each of ``inputs [B, T, input_size]``, from an empty memory."""
        outputs: Tensor = self.lstm(inputs)[0]
        return outputs

    def step(self, inputs: Tensor, memory: Tensor) -> Tensor:
        """The memory ``[..., 2 * hidden]`` after one more of ``inputs [..., input_size]``."""
        lstm = self.lstm
        h, c = memory.chunk(2, -1)
        gates = inputs @ lstm.weight_ih_l0.T + h @ lstm.weight_hh_l0.T + (lstm.bias_ih_l0 + lstm.bias_hh_l0)
        enter, forget, candidate, leave = gates.chunk(4, -1)
        cell = forget.sigmoid() * c + enter.sigmoid() * candidate.tanh()
        return torch.cat((leave.sigmoid() * cell.tanh(), cell), -1)
