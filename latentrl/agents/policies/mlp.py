"""A deterministic feedback policy: a small network from latent state to action."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn


class MLPPolicy(nn.Module):
    """``pi(z)``: normalise the state, a few tanh layers, and a tanh onto the action range.

    Args:
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        state_mean: centre of the states the policy will meet, ``[Dz]``.
        state_scale: their spread, ``[Dz]``, positive.
        hidden: widths of the hidden layers.
    """

    low: Tensor
    high: Tensor
    state_mean: Tensor
    state_scale: Tensor

    def __init__(
        self, low: Tensor, high: Tensor, state_mean: Tensor, state_scale: Tensor, hidden: Sequence[int] = (64, 64)
    ) -> None:
        super().__init__()
        if low.ndim != 1 or low.shape != high.shape or not (low < high).all():
            raise ValueError(f"a policy needs finite bounds low < high, each [Du]; got {low.tolist()}, {high.tolist()}")
        self.hidden = tuple(hidden)
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

    def forward(self, state: Tensor) -> Tensor:
        """Actions ``[..., Du]`` within the bounds for ``state [..., Dz]``."""
        squashed = torch.tanh(self.layers((state - self.state_mean) / self.state_scale))
        # lerp alone may overshoot a bound by one rounding error.
        return torch.lerp(self.low, self.high, 0.5 * (squashed + 1.0)).clamp(self.low, self.high)


def save_policy(policy: MLPPolicy, folder: Path, settings: dict[str, object] | None = None) -> Path:
    """Write ``policy.safetensors`` and ``policy.json`` into ``folder``, each whole or not at all.

    ``settings`` is whatever else a reader wants to know about the policy (JSON values); loading ignores it.
    Returns the weights' path.
    """
    description = {
        "type": "mlp",
        "state_size": policy.state_mean.shape[0],
        "action_size": policy.low.shape[0],
        "hidden": list(policy.hidden),
        "settings": settings or {},
    }
    weights, text = folder / "policy.safetensors", folder / "policy.json"
    partial = weights.with_suffix(".partial")
    partial.write_bytes(save({name: tensor.contiguous() for name, tensor in policy.state_dict().items()}))
    os.replace(partial, weights)
    partial = text.with_suffix(".partial")
    partial.write_text(json.dumps(description, indent=2) + "\n")
    os.replace(partial, text)
    return weights


def load_policy(folder: Path) -> MLPPolicy:
    """The policy that `save_policy` wrote into ``folder``, bit for bit.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: they do not describe the same policy.
    """
    description = json.loads((folder / "policy.json").read_text())
    weights = load_file(folder / "policy.safetensors")
    try:
        policy = MLPPolicy(
            weights["low"], weights["high"], weights["state_mean"], weights["state_scale"], description["hidden"]
        )
        policy.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"{folder}: policy.json and policy.safetensors do not belong together ({error})") from error
    return policy.requires_grad_(False).eval()
