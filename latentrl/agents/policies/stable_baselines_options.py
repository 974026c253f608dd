"""Settings of model-free learning in the imagination; readable without stable-baselines3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from latentrl.agents.imagination import PolicyInput


@dataclass(frozen=True)
class StableBaselinesOptions:
    """Settings of one algorithm.

    Attributes:
        algorithm: name of its class in stable-baselines3.
        steps: imagined steps, of all episodes together.
        envs: parallel imagined episodes.
        length: steps after which an episode is cut (the algorithm bootstraps across the cut); in long ones most steps
            are spent at the goal.
        discount: gamma, per step.
        hidden: widths of the hidden layers of actor and critics.
        action_noise: standard deviation of the exploration noise, as a share of half the action range; for algorithms
            with a deterministic actor.
        target_entropy: of the actions, nats per dimension; for algorithms that aim at one.
        settings: further arguments of the algorithm's class, JSON values.
        input: what of a belief the policy sees.
        drop: with the input ``"belief"``, the probability that an imagined observation never arrives.
        sane_radius: an episode ends where a state is further than so many standard deviations from the start states'
            mean.
        rooted: the reward is minus the distance to the goal, not its square, which a critic does not resolve nearby.
        fresh: share of the episodes that begin in start states; the others begin where earlier ones came to.
    """

    algorithm: str
    steps: int = 160_000
    envs: int = 16
    length: int = 30
    discount: float = 0.95
    hidden: tuple[int, ...] = (64, 64)
    action_noise: float = 0.0
    target_entropy: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    input: PolicyInput = "mean"
    drop: float = 0.0
    sane_radius: float = 20.0
    rooted: bool = True
    fresh: float = 0.25

    def __post_init__(self) -> None:
        for name in ("steps", "envs", "length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 <= self.discount < 1.0:
            raise ValueError(f"discount must lie in [0, 1), not {self.discount}")
        if not 0.0 <= self.action_noise < float("inf"):
            raise ValueError(f"action_noise must be finite and at least 0, not {self.action_noise}")
        if not 0.0 < self.sane_radius < float("inf"):
            raise ValueError(f"sane_radius must be positive and finite, not {self.sane_radius}")


# Many imagined steps for each gradient step, because imagining is cheap; replay buffers hold the budget for one goal.
OFF_POLICY: dict[str, Any] = {"learning_rate": 1e-3, "buffer_size": 320_000, "batch_size": 256, "tau": 0.02}
DETERMINISTIC: dict[str, Any] = {**OFF_POLICY, "learning_starts": 5000}
# A critic that is smaller than this does not resolve what is near a goal of many (docs/policies.md).
WIDE = (256, 256)
DEFAULTS: dict[str, StableBaselinesOptions] = {
    # The usual target of -1 nat per action dimension makes it approach a goal slowly.
    "SAC": StableBaselinesOptions(
        "SAC", hidden=WIDE, target_entropy=-3.0, settings={**OFF_POLICY, "learning_starts": 1600}
    ),
    "TD3": StableBaselinesOptions("TD3", steps=320_000, envs=32, hidden=WIDE, action_noise=0.2, settings=DETERMINISTIC),
    "DDPG": StableBaselinesOptions(
        "DDPG", steps=320_000, envs=32, hidden=WIDE, action_noise=0.2, settings=DETERMINISTIC
    ),
    # It forgets what it learned from, and would hardly see anything but the goal from where it came to.
    "PPO": StableBaselinesOptions(
        "PPO",
        steps=2_000_000,
        envs=256,
        settings={"learning_rate": 1e-3, "n_steps": 16, "batch_size": 1024, "n_epochs": 5},
        fresh=1.0,
    ),
}


def default_options(algorithm: str) -> StableBaselinesOptions:
    """What to run an algorithm with; the class's own defaults where nothing better is known."""
    return DEFAULTS.get(algorithm, StableBaselinesOptions(algorithm))
