"""A linear problem to imagine: three states, two actions, an exact filter, and a reward."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief

LOW, HIGH = torch.tensor([-2.0, -1.0]), torch.tensor([2.0, 3.0])


class Linear:
    """z' = 0.9 z + B u with noise, seen through noise by an exact Kalman filter; three states, two actions."""

    control = torch.tensor([[0.1, 0.0], [0.0, 0.1], [0.1, 0.1]])
    noise, blur = 0.04, 0.09

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = 0.9 * state + action @ self.control.T
        return DiagonalGaussian(mean, torch.full_like(mean, self.noise))

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state, torch.full_like(state, self.blur))

    def initial_belief(self, observation: Tensor) -> Belief:
        return Belief(observation, self.blur * torch.eye(3).expand(len(observation), 3, 3))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        mean = 0.9 * belief.mean + action @ self.control.T
        covariance = 0.81 * belief.covariance + self.noise * torch.eye(3)
        if observation is None:
            return Belief(mean, covariance)
        gain = covariance @ torch.linalg.inv(covariance + self.blur * torch.eye(3))
        update = (gain @ (observation - mean)[..., None])[..., 0]
        return Belief(mean + update, (torch.eye(3) - gain) @ covariance)


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1) - 0.1 * action.square().sum(-1)


def starts(count: int, generator: torch.Generator) -> Tensor:
    return 1.0 + 2.0 * torch.randn(count, 3, generator=generator)
