"""Learning tests with a threshold, and what is said where stable-baselines3 cannot help."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from latentrl.agents.policies import load_policy, policy_kind, save_policy
from latentrl.agents.policies.stable_baselines_options import StableBaselinesOptions, default_options
from latentrl.agents.policies.stable_baselines_policy import algorithm_class
from latentrl.agents.rollout import rollout_closed_loop
from latentrl.numerics.distributions import DiagonalGaussian

BOUND = torch.tensor([3.0])
STEPS = 20

OFF_POLICY: dict[str, Any] = {"batch_size": 128, "tau": 0.05, "learning_starts": 800, "buffer_size": 12_000}
EFFORT: dict[str, dict[str, Any]] = {
    "sac": {"steps": 4_000, "envs": 8, "settings": {**OFF_POLICY, "learning_rate": 3e-3}},
    "td3": {"steps": 12_000, "envs": 8, "settings": {**OFF_POLICY, "learning_rate": 1e-3}},
    "ppo": {
        "steps": 40_000,
        "envs": 64,
        "settings": {"learning_rate": 3e-3, "n_steps": 20, "batch_size": 320, "n_epochs": 4},
    },
}


class Leaky:
    """z' = 0.8 z + 0.5 u: an optimal control problem with a known answer."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(0.8 * state + 0.5 * action, torch.full_like(state, 1e-4))


def quadratic(state: Tensor, action: Tensor) -> Tensor:
    return -state.square().sum(-1) - 0.1 * action.square().sum(-1)


def starts(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 1, generator=generator)


def riccati_cost(state: Tensor) -> Tensor:
    """The least cost by dynamic programming, without bounds on the action: no bounded policy can do better."""
    to_go = 0.0
    for _ in range(STEPS):
        ahead = 1.0 + to_go
        gain = 0.5 * ahead * 0.8 / (0.1 + 0.25 * ahead)
        to_go = 0.8 * ahead * (0.8 - 0.5 * gain)
    return to_go * state.square().sum(-1)


def cost(policy: Any, start: Tensor) -> Tensor:
    states, actions = rollout_closed_loop(Leaky(), start, policy, STEPS, sample=False)
    return -quadratic(states, actions).sum(-1)


@pytest.mark.parametrize("name", sorted(EFFORT))
def test_closes_90_percent_of_the_gap_between_doing_nothing_and_the_optimum(name: str) -> None:
    kind = policy_kind(name)
    options = replace(kind.options, length=STEPS, discount=0.9, hidden=(32, 32), **EFFORT[name])
    policy = kind.learner(Leaky(), quadratic, starts, -BOUND, BOUND, options, 0).learn()
    start = starts(256, torch.Generator().manual_seed(1))
    nothing, found, best = cost(torch.zeros_like, start).mean(), cost(policy, start).mean(), riccati_cost(start).mean()
    assert best * (1 - 1e-4) <= found, "nothing beats the optimum: the oracle is wrong"
    assert (nothing - found) >= 0.9 * (nothing - best), f"cost {found:.3f} of {nothing:.3f}, least {best:.3f}"


def test_an_unknown_algorithm_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no algorithm 'Sack'; it has A2C, DDPG, DQN, PPO, SAC, TD3"):
        algorithm_class("Sack")
    for thing in ("HerReplayBuffer", "get_system_info", "__version__"):
        with pytest.raises(ValueError, match="no algorithm"):
            algorithm_class(thing)


def test_an_algorithm_for_discrete_actions_is_refused() -> None:
    kind = policy_kind("DQN")
    with pytest.raises(ValueError, match="DQN cannot be used here"):
        kind.learner(Leaky(), quadratic, starts, -BOUND, BOUND, kind.options, 0)


def test_a_setting_that_an_algorithm_does_not_take_is_refused() -> None:
    kind = policy_kind("ppo")
    options = replace(kind.options, settings={"altitude": 3})
    with pytest.raises(ValueError, match="altitude"):
        kind.learner(Leaky(), quadratic, starts, -BOUND, BOUND, options, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"envs": 0}, {"length": 0}, {"discount": 1.0}, {"action_noise": -1.0}, {"sane_radius": 0.0}],
    ids=str,
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StableBaselinesOptions("SAC", **wrong)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    def policy(hidden: tuple[int, ...]) -> Any:
        options = replace(default_options("PPO"), hidden=hidden, envs=64)
        return policy_kind("ppo").learner(Leaky(), quadratic, starts, -BOUND, BOUND, options, 0).policy

    save_policy(policy((8,)), tmp_path)
    description = (tmp_path / "policy.json").read_text()
    save_policy(policy((9,)), tmp_path)
    (tmp_path / "policy.json").write_text(description)
    with pytest.raises(ValueError, match="do not belong together"):
        load_policy(tmp_path)


WITHOUT = """
import sys
import latentrl.learn
from latentrl.agents.policies import policy_kind
from latentrl.support.errors import UserError
print("imported unasked:", "stable_baselines3" in sys.modules)
sys.modules["stable_baselines3"] = None
kind = policy_kind("sac")
try:
    kind.learner(None, None, None, None, None, kind.options, 0)
except UserError as error:
    print(error)
"""


def test_nothing_imports_it_unasked_and_a_missing_extra_is_named_with_its_cure() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120)
    first, *told = done.stdout.splitlines()
    assert first == "imported unasked: False", done.stderr
    assert any("pip install 'latentrl[sb3]'" in line for line in told), done.stderr
