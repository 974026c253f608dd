"""Policies as files: weights in safetensors, everything else in JSON, nothing that must be unpickled.

A policy called ``NAME`` is ``NAME.safetensors`` and ``NAME.json``; both are written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import Policy
from latentrl.support.digests import digest
from latentrl.support.files import is_special, write_bytes

DIGEST = "sha256"
"""What a description says of the weights."""


def policy_path(folder: Path, name: str = "policy") -> Path:
    """Where the weights of the policy called ``name`` are: ``policy`` itself, or ``sac`` for ``policy-sac``."""
    stem = name if name == "policy" or name.startswith("policy-") else f"policy-{name}"
    return folder / f"{stem}.safetensors"


def save_policy(
    policy: Policy, folder: Path, settings: Mapping[str, object] | None = None, name: str = "policy"
) -> Path:
    """Write a policy into ``folder`` under ``name`` (see `policy_path`), each file whole or not at all.

    ``settings`` is whatever else a reader wants to know about the policy (JSON values); loading ignores it.
    Returns the weights' path.
    """
    weights = policy_path(folder, name)
    text = weights.with_suffix(".json")
    tensors = {key: tensor.contiguous() for key, tensor in policy.state_dict().items()}
    description = {**policy.describe(), "settings": dict(settings or {}), DIGEST: digest(tensors)}
    write_bytes(weights, save(tensors))
    write_bytes(text, (json.dumps(description, indent=2) + "\n").encode())
    return weights


def load_policy(folder: Path, name: str = "policy") -> Policy:
    """The policy that `save_policy` wrote into ``folder`` under ``name``, bit for bit.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: they do not describe the same policy, or one of a kind that this version does not know.
        ImportError: the policy needs stable-baselines3, which is not installed.
    """
    return read_policy(folder, name)[0]


def read_policy(folder: Path, name: str = "policy") -> tuple[Policy, dict[str, Any]]:
    """The policy that :func:`load_policy` returns, and the ``settings`` that it was saved with.

    Raises:
        FileNotFoundError, ValueError, ImportError: as :func:`load_policy`.
    """
    weights = policy_path(folder, name)
    text = weights.with_suffix(".json")
    try:
        for file in (text, weights):
            if is_special(file):
                raise ValueError(f"{file.name} is no file")
        description = json.loads(text.read_text(encoding="utf-8"))
        tensors = load_file(weights)
        # Those of before there was a digest have none; a process that was killed between the two files leaves another.
        if DIGEST in description and description[DIGEST] != digest(tensors):
            raise ValueError("the weights are not those that were written with it")
        return KINDS[description["type"]](description, tensors), description.get("settings", {})
    except (SafetensorError, LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder}: {text.name} and {weights.name} do not belong together ({error}): learn the policy again"
        ) from error


def _build_stable_baselines(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Policy:
    from latentrl.agents.policies.stable_baselines_policy import StableBaselinesPolicy

    return StableBaselinesPolicy.rebuild(description, tensors)


KINDS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Tensor]], Policy]] = {
    "mlp": MLPPolicy.rebuild,
    "stable-baselines3": _build_stable_baselines,
}
