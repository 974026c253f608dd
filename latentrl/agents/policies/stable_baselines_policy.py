"""The actor of a stable-baselines3 algorithm, by itself: to act with, to save, to build again.

Import this module only where stable-baselines3 is asked for: it is an optional extra.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn

from latentrl.agents.imagination import PolicyInput, policy_features
from latentrl.agents.imagined_spaces import spaces_of
from latentrl.types import Belief


class StableBaselinesPolicy(nn.Module):
    """The actor of an algorithm, deterministic: normalise, ask the network, stretch [-1, 1] onto the action range.

    Args:
        algorithm: name of its class in stable-baselines3.
        policy_kwargs: what its policy class is made with, JSON values.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        centre: of the features, ``[F]``.
        scale: their spread, ``[F]``, positive.
        input: what of a belief the policy sees.
        network: the algorithm's own policy, if there is one already.
        goal_size: ``Da`` of a policy for any goal, which beliefs and states then carry (see `attach_goal`); else 0.

    Raises:
        ValueError: no such algorithm.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor
    algorithm: str
    policy_kwargs: dict[str, Any]

    def __init__(
        self,
        algorithm: str,
        policy_kwargs: Mapping[str, Any],
        low: Tensor,
        high: Tensor,
        centre: Tensor,
        scale: Tensor,
        input: PolicyInput = "mean",
        network: BasePolicy | None = None,
        goal_size: int = 0,
    ) -> None:
        super().__init__()
        self.goal_size = goal_size
        self.algorithm, self.policy_kwargs, self.input = algorithm, dict(policy_kwargs), input
        for name, value in {"low": low, "high": high, "centre": centre, "scale": scale}.items():
            self.register_buffer(name, value.clone())
        if network is None:
            network_class = algorithm_class(algorithm).policy_aliases["MlpPolicy"]
            observations, actions = spaces_of(len(centre), len(low))
            network = network_class(observations, actions, lambda _: 0.0, **self.policy_kwargs)
        self.network = network

    @torch.no_grad()
    def forward(self, belief: Belief | Tensor) -> Tensor:
        """Actions ``[N, Du]`` within the bounds for a belief over ``N`` states, or states where means are seen."""
        features = (policy_features(belief, self.input, self.goal_size) - self.centre) / self.scale
        self.network.set_training_mode(False)
        # What its ``predict`` does with actions in [-1, 1], in tensors throughout, so that it can be traced.
        unit = self.network._predict(features, deterministic=True)
        unit = -1.0 + 0.5 * (unit + 1.0) * 2.0 if self.network.squash_output else unit.clamp(-1.0, 1.0)
        # lerp alone may overshoot a bound by one rounding error.
        return torch.lerp(self.low, self.high, 0.5 * (unit + 1.0)).clamp(self.low, self.high)

    def describe(self) -> dict[str, Any]:
        """What `rebuild` needs besides the weights, JSON values."""
        return {
            "type": "stable-baselines3",
            "algorithm": self.algorithm,
            "feature_size": self.centre.shape[0],
            "action_size": self.low.shape[0],
            "policy_kwargs": self.policy_kwargs,
            "input": self.input,
            "goal_size": self.goal_size,
        }

    @classmethod
    def rebuild(cls, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> StableBaselinesPolicy:
        """The policy that `describe` and ``state_dict`` tell of, bit for bit; without gradients, to act with."""
        low, high, centre, scale = (weights[name] for name in ("low", "high", "centre", "scale"))
        arguments = description["algorithm"], description["policy_kwargs"]
        largest = max(size for tensor in weights.values() for size in (*tensor.shape, 1))
        if any(size > largest for size in _sizes(description["policy_kwargs"])):  # before anything of it is made
            raise ValueError(f"policy_kwargs {description['policy_kwargs']} are larger than the weights")
        with isolated_randomness():
            given = {"input": description["input"], "goal_size": description.get("goal_size", 0)}
            policy = cls(*arguments, low, high, centre, scale, **given)
        policy.load_state_dict(dict(weights))
        return policy.requires_grad_(False).eval()


def _sizes(content: Any) -> list[int]:
    """All whole numbers in JSON values."""
    if isinstance(content, Mapping):
        return [size for value in content.values() for size in _sizes(value)]
    if isinstance(content, list | tuple):
        return [size for value in content for size in _sizes(value)]
    return [content] if isinstance(content, int) else []


def algorithm_class(name: str) -> type[BaseAlgorithm]:
    """The class in stable-baselines3 of that name.

    Raises:
        ValueError: there is none.
    """
    found = getattr(stable_baselines3, name, None)
    if isinstance(found, type) and issubclass(found, BaseAlgorithm):
        return found
    algorithms = [
        known
        for known, value in vars(stable_baselines3).items()
        if isinstance(value, type) and issubclass(value, BaseAlgorithm)
    ]
    raise ValueError(f"stable-baselines3 has no algorithm {name!r}; it has {', '.join(sorted(algorithms))}")


@contextmanager
def isolated_randomness() -> Iterator[None]:
    """stable-baselines3 seeds and draws from the global generators: put them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
