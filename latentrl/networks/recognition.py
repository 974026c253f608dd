"""Recurrent recognition: q(z_t | x, u) from an LSTM over the frames, Tables A.3 and A.4.

The tables' "LSTM 128, sigmoid activation" is read as the common cell, whose gates are sigmoid and whose candidate and
output are tanh: PyTorch runs that one fused.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from latentrl.networks.dense import DiagonalGaussianMLP
from latentrl.numerics.distributions import DiagonalGaussian

Direction = Literal["forward", "backward", "both"]


class RecurrentFeatures(nn.Module):
    """Summaries ``[B, T, features]`` of what each time step knows.

    =========  ===========================  =======================================
    direction  features at t summarise      LSTM input at t
    =========  ===========================  =======================================
    forward    x_1:t, u_1:t-1               x_t, u_{t-1} (zero at the first step)
    backward   x_t:T, u_t:T-1               x_t, u_t (zero at the last step)
    both       x_1:T, u_1:T-1               each of the two, side by side
    =========  ===========================  =======================================

    Args:
        n_in: observation dimensions, flattened.
        action_size: Du.
        hidden: units of the LSTM in each direction.
        direction: see above.
    """

    def __init__(self, n_in: int, action_size: int, hidden: int, direction: Direction) -> None:
        super().__init__()
        self.features: int = 2 * hidden if direction == "both" else hidden
        past, future = direction != "backward", direction != "forward"
        self.past: nn.LSTM | None = nn.LSTM(n_in + action_size, hidden, batch_first=True) if past else None
        self.future: nn.LSTM | None = nn.LSTM(n_in + action_size, hidden, batch_first=True) if future else None

    def forward(self, observations: Tensor, controls: Tensor) -> Tensor:
        """Features for ``observations [B, T, ...]`` (scaled, floating point) and ``controls [B, T - 1, Du]``."""
        frames, found = observations.flatten(2), []
        if self.past is not None:
            found.append(self.past(torch.cat((frames, pad(controls, (0, 0, 1, 0))), -1))[0])
        if self.future is not None:
            backwards = torch.cat((frames, pad(controls, (0, 0, 0, 1))), -1).flip(1)
            found.append(self.future(backwards)[0].flip(1))
        return torch.cat(found, -1)


class RecurrentRecognition(nn.Module):
    """A diagonal normal over ``size`` dimensions for every time step: :class:`RecurrentFeatures` and an MLP.

    Args:
        n_in: observation dimensions, flattened.
        action_size: Du.
        hidden: units of the LSTM in each direction.
        head: hidden layers between LSTM and normal.
        size: dimensions of the normal.
        direction: which frames a time step knows.
    """

    recurrent: RecurrentFeatures
    head: DiagonalGaussianMLP

    def __init__(
        self, n_in: int, action_size: int, hidden: int, head: tuple[int, ...], size: int, direction: Direction
    ) -> None:
        super().__init__()
        self.recurrent = RecurrentFeatures(n_in, action_size, hidden, direction)
        self.head = DiagonalGaussianMLP(self.recurrent.features, head, size, log_variance=-4.0)

    def forward(self, observations: Tensor, controls: Tensor) -> DiagonalGaussian:
        """``[B, T, size]`` for ``observations [B, T, ...]`` (scaled, floating point), ``controls [B, T - 1, Du]``."""
        return self.head(self.recurrent(observations, controls))
