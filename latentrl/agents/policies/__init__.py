"""Policies: learned once inside a model, then fast to ask.

=====================  ==========================================================================================
kind                   file
=====================  ==========================================================================================
``analytic-gradient``  `analytic_gradient`: backpropagation through the model
``sac td3 ppo`` ...    `stable_baselines`: any algorithm of stable-baselines3 with continuous actions
=====================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from latentrl.agents.imagination import StartStates
from latentrl.agents.policies.analytic_gradient import AnalyticGradient, AnalyticGradientOptions, Update
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import CountsDiverged, FollowsOn, Learner, OnProgress, Policy
from latentrl.agents.policies.saving import load_policy, policy_path, read_policy, save_policy
from latentrl.agents.policies.stable_baselines_options import StableBaselinesOptions, default_options
from latentrl.support.errors import UserError


class PolicyKind(NamedTuple):
    """One way of learning a policy.

    ``learner(dynamics, reward, start_states, low, high, options, seed)`` makes a `Learner`; ``options`` are its default
    settings, a frozen dataclass.
    """

    options: Any
    learner: Callable[..., Learner]


def in_imagination(*args: Any) -> Learner:
    """A `StableBaselines`; the optional extra is imported here, and no earlier.

    Raises:
        UserError: it is not installed.
    """
    try:
        from latentrl.agents.policies.stable_baselines import StableBaselines
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    return StableBaselines(*args)


def _missing(error: ModuleNotFoundError) -> Exception:
    """What to raise where the optional extra is not there; another module that is missing stays what it is."""
    if error.name is None or not error.name.startswith("stable_baselines3"):
        return error
    return UserError("this policy needs stable-baselines3: pip install 'latentrl[sb3]'")


POLICIES: dict[str, PolicyKind] = {
    "analytic-gradient": PolicyKind(AnalyticGradientOptions(), AnalyticGradient),
    "sac": PolicyKind(default_options("SAC"), in_imagination),
    "td3": PolicyKind(default_options("TD3"), in_imagination),
    "ppo": PolicyKind(default_options("PPO"), in_imagination),
}


def policy_kind(name: str) -> PolicyKind:
    """The kind called ``name``: one of `POLICIES`, else a class of stable-baselines3, not yet checked."""
    return POLICIES.get(name) or PolicyKind(default_options(name), in_imagination)


def check_policy(name: str) -> None:
    """Refuse a name that is neither in `POLICIES` nor that of an algorithm, before anything is said of its options.

    Raises:
        UserError: there is none, or stable-baselines3 is not installed.
    """
    if name in POLICIES:
        return
    try:
        from latentrl.agents.policies.stable_baselines_policy import algorithm_class
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        algorithm_class(name)
    except ValueError as error:
        raise UserError(f"--policy {name}: is none of {', '.join(POLICIES)}, and {error}") from error


__all__ = [
    "POLICIES",
    "AnalyticGradient",
    "AnalyticGradientOptions",
    "CountsDiverged",
    "FollowsOn",
    "Learner",
    "MLPPolicy",
    "OnProgress",
    "Policy",
    "PolicyKind",
    "StableBaselinesOptions",
    "StartStates",
    "Update",
    "check_policy",
    "default_options",
    "load_policy",
    "policy_kind",
    "policy_path",
    "read_policy",
    "save_policy",
]
