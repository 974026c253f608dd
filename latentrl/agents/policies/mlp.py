"""A deterministic feedback policy: a small network from latent state, and goal if there is one, to action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentrl.agents.imagination import PolicyInput, policy_features
from latentrl.agents.policies.squashing import squash
from latentrl.types import Belief


class MLPPolicy(nn.Module):
    """``pi(z)``: normalise the state, a few tanh layers, and a tanh onto the action range.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        state_mean: centre of the states the policy will meet, ``[Dz]``.
        state_scale: their spread, ``[Dz]``, positive.
        hidden: widths of the hidden layers.
        input: what of a belief the policy sees; ``state_mean`` and ``state_scale`` are then those of its features.
        goal_size: ``Da`` of a policy for any goal, which beliefs and states then carry (see `attach_goal`): it sees
            their `goal_features`. 0: it knows one goal.
    """

    low: Tensor
    high: Tensor
    state_mean: Tensor
    state_scale: Tensor
    hidden: tuple[int, ...]
    layers: nn.Sequential

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        state_mean: Tensor,
        state_scale: Tensor,
        hidden: Sequence[int] = (64, 64),
        input: PolicyInput = "mean",
        goal_size: int = 0,
    ) -> None:
        super().__init__()
        if low.ndim != 1 or low.shape != high.shape or not (low < high).all():
            raise ValueError(f"a policy needs finite bounds low < high, each [Du]; got {low.tolist()}, {high.tolist()}")
        self.hidden = tuple(hidden)
        self.input: PolicyInput = input
        self.goal_size = goal_size
        self.register_buffer("low", low.clone())
        self.register_buffer("high", high.clone())
        self.register_buffer("state_mean", state_mean.clone())
        self.register_buffer("state_scale", state_scale.clone())
        sizes = (state_mean.shape[0], *self.hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        last = nn.Linear(sizes[-1], low.shape[0])
        # Start near the middle of the range, where the tanh passes gradients.
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, belief: Belief | Tensor) -> Tensor:
        """Actions ``[..., Du]`` within the bounds for a belief over ``[..., Dz]``, or a state where means are seen."""
        features = policy_features(belief, self.input, self.goal_size)
        squashed = squash(self.layers((features - self.state_mean) / self.state_scale))
        # lerp alone may overshoot a bound by one rounding error.
        return torch.lerp(self.low, self.high, 0.5 * (squashed + 1.0)).clamp(self.low, self.high)

    def describe(self) -> dict[str, Any]:
        """What `rebuild` needs besides the weights, JSON values."""
        return {
            "type": "mlp",
            "state_size": self.state_mean.shape[0],
            "action_size": self.low.shape[0],
            "hidden": list(self.hidden),
            "input": self.input,
            "goal_size": self.goal_size,
        }

    @classmethod
    def rebuild(cls, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> MLPPolicy:
        """The policy that `describe` and ``state_dict`` tell of, bit for bit; without gradients, to act with."""
        low, high, mean, scale = (weights[name] for name in ("low", "high", "state_mean", "state_scale"))
        # Policies from before there were other inputs, or goals, do not say theirs.
        given = description.get("input", "mean"), description.get("goal_size", 0)
        hidden = list(description["hidden"])
        found = [weights[f"layers.{2 * number}.weight"].shape[0] for number in range(len(hidden))]
        if hidden != found:  # before anything of such a size is made
            raise ValueError(f"hidden is {hidden}, the weights have {found}")
        policy = cls(low, high, mean, scale, hidden, *given)
        policy.load_state_dict(dict(weights))
        return policy.requires_grad_(False).eval()
