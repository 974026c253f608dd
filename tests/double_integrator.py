"""An optimal control problem with a known answer."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.distributions import DiagonalGaussian


class DoubleIntegrator:
    """Position and velocity under a force."""

    state_matrix = torch.tensor([[1.0, 0.1], [0.0, 1.0]])
    control_matrix = torch.tensor([[0.005], [0.1]])
    noise = 1e-6

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state @ self.state_matrix.T + action @ self.control_matrix.T
        return DiagonalGaussian(mean, torch.full_like(mean, self.noise))
