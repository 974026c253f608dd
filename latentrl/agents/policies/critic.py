"""The value of a state under the present policy, learned inside the model.

A roll-out of H steps sees no further than H steps. Adding the value of its last state lets a short one plan for what
comes after (Heess et al., 2015, SVG; Hafner et al., 2020, Dreamer), and short roll-outs have short, tame gradients.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from latentrl.agents.goal_conditioning import goal_features


def lambda_returns(rewards: Tensor, values: Tensor, discount: float, trace: float) -> Tensor:
    """TD(lambda) targets by the backward recursion (Sutton and Barto, 2018, Eq. 12.2; Dreamer, Eq. 6).

    Args:
        rewards: ``[B, H]``, entry t for the step from state t to state t + 1.
        values: ``[B, H]``, entry t the value of state t + 1.
        discount: gamma, per step.
        trace: lambda; 0 bootstraps after one step, 1 only from the last state.

    Returns:
        ``[B, H]``: entry t the return to expect from state t.
    """
    following, returns = values[:, -1], []
    for reward, value in zip(reversed(rewards.unbind(1)), reversed(values.unbind(1)), strict=True):
        following = reward + discount * torch.lerp(value, following, trace)
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


class Critic(nn.Module):
    """``V(z)``, a small network fitted to TD(lambda) returns that a slowly following copy of it bootstraps.

    Args:
        state_mean: centre of the states it will meet, ``[Dz]``; with goals, of their `goal_features`.
        state_scale: their spread, ``[Dz]``, positive.
        discount: gamma, in [0, 1).
        trace: lambda.
        learning_rate: Adam's.
        follow: how far the copy moves towards the network at every update.
        hidden: widths of the hidden layers.
        goal_size: ``Da`` where states carry a goal, ``[..., Dz + Da]``; else 0.
    """

    state_mean: Tensor
    state_scale: Tensor
    discount: float
    trace: float
    follow: float
    goal_size: int
    network: nn.Sequential
    target: nn.Sequential

    def __init__(
        self,
        state_mean: Tensor,
        state_scale: Tensor,
        discount: float,
        trace: float = 0.95,
        learning_rate: float = 3e-3,
        follow: float = 0.05,
        hidden: tuple[int, ...] = (64, 64),
        goal_size: int = 0,
    ) -> None:
        super().__init__()
        self.discount, self.trace, self.follow, self.goal_size = discount, trace, follow, goal_size
        self.register_buffer("state_mean", state_mean.clone())
        self.register_buffer("state_scale", state_scale.clone())
        layers: list[nn.Module] = []
        sizes = (len(state_mean), *hidden)
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        self.network = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
        self.target = copy.deepcopy(self.network).requires_grad_(False)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)

    def forward(self, state: Tensor) -> Tensor:
        """The slow copy's value ``[...]`` of ``state [..., Dz]``; differentiable in the state."""
        return self._value(self.target, state)

    def update(self, states: Tensor, rewards: Tensor) -> Tensor:
        """One step towards the returns of roll-outs; returns the mean squared error, per discounted horizon, a scalar.

        Args:
            states: ``[B, H + 1, Dz]``, from the start state on.
            rewards: ``[B, H]``, entry t for the step from state t to state t + 1.
        """
        states, rewards = states.detach(), rewards.detach()
        returns = lambda_returns(rewards, self(states[:, 1:]), self.discount, self.trace)
        with torch.enable_grad():
            error = self._value(self.network, states[:, :-1]) - returns
            # In units of the average reward, as the network's output is: the loss does not grow with the horizon.
            loss = ((1.0 - self.discount) * error).square().mean()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, self.follow)
        return loss.detach()

    def _value(self, network: nn.Module, state: Tensor) -> Tensor:
        features = goal_features(state, self.goal_size)
        average: Tensor = network((features - self.state_mean) / self.state_scale).squeeze(-1)
        return average / (1.0 - self.discount)
