"""Imagined episodes as a reinforcement-learning problem: N at a time, in tensors, on the model's device.

Every library's environment is made of these, so that all learn the same problem: the adapters add arrays, spaces and
what else the library asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.agents.imagination import Episodes, Imagination, choose_belief, policy_features, reward_scale
from latentrl.types import Belief, Reward

Actor = Callable[[Tensor], Tensor]
"""What is learned: normalised features ``[N, F]`` -> actions ``[N, Du]``, cut to [-1, 1]."""


VISITED = 16_384
"""How many of the states that episodes came to are kept for others to begin in."""


class ImaginedStep(NamedTuple):
    """One step of N episodes, on the model's device.

    Attributes:
        observation: ``[N, F]``, also of episodes that end here: no episode begins anew by itself.
        reward: ``[N]``.
        terminated: ``[N]`` where the model broke.
        truncated: ``[N]`` where an episode has reached its length and did not break.
    """

    observation: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor


class ImaginedEpisodes:
    """``N`` imagined episodes that are started, stepped and begun anew; a step waits for no device.

    Observations are the policy's features, normalised; actions lie in [-1, 1] and stand for the range from ``low`` to
    ``high``; rewards are divided by their spread over typical states. An episode is *truncated* after ``length``
    steps. It is *terminated* where the model breaks: where a state turns NaN or leaves the sane region. The last reward
    is then the worst so far paid for ever after, so that exploiting the model's errors never pays, and the last
    observation is the last sane one.

    Args:
        imagination: starts and steps the episodes.
        reward: of the true imagined states.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        count: N.
        length: steps to truncation.
        discount: the algorithm's, which says what "for ever" is worth.
        sane_radius: how many standard deviations of typical states from their mean still count as sane; see
            `Imagination.sane_region`.
        seed: of everything drawn. `seeded` sets it anew.
        fresh: share of the episodes begun anew that begin in start states; the others begin where earlier ones came
            to, so that what follows after ``length`` steps is met too. `start` begins all in start states, and forgets
            where earlier ones came to.

    Raises:
        ValueError: a count or a length below 1, a share outside of (0, 1], or start states that are not finite.
    """

    imagination: Imagination
    reward: Reward
    low: Tensor
    high: Tensor
    count: int
    length: int
    discount: float
    fresh: float
    generator: torch.Generator
    centre: Tensor
    scale: Tensor
    reward_scale: float

    def __init__(
        self,
        imagination: Imagination,
        reward: Reward,
        low: Tensor,
        high: Tensor,
        count: int = 32,
        length: int = 100,
        discount: float = 0.98,
        sane_radius: float = 20.0,
        seed: int = 0,
        fresh: float = 1.0,
    ) -> None:
        for name, value in (("count", count), ("length", length)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0.0 < fresh <= 1.0:
            raise ValueError(f"fresh must lie in (0, 1], not {fresh}")
        self.fresh = fresh
        self.imagination, self.reward = imagination, reward
        self.low, self.high = low, high
        self.count, self.length, self.discount = count, length, discount
        self.generator = torch.Generator(low.device).manual_seed(seed)
        states = imagination.typical_states(1024, low, high, self.generator)
        self.centre, self.scale = imagination.feature_scale(states, low, high, self.generator)
        with torch.no_grad():
            rewards = reward(states, low.new_zeros(len(states), len(low)))
        self.reward_scale = reward_scale(rewards)
        self._worst = rewards.min().double() / self.reward_scale
        self._sane_low, self._sane_high = imagination.sane_region(states, sane_radius)
        self._visited = states.new_empty(VISITED if fresh < 1 else 0, states.shape[1])
        self.start()

    @property
    def device(self) -> torch.device:
        """Where the model, and every tensor here, is."""
        return self.low.device

    @property
    def feature_size(self) -> int:
        """``F``."""
        return self.centre.shape[0]

    @property
    def action_size(self) -> int:
        """``Du``."""
        return self.low.shape[0]

    @property
    def state(self) -> Tensor:
        """The true imagined states now, ``[N, Dz]``; with a goal that they carry, ``[N, Dz + Da]``."""
        return self._episodes.state

    @property
    def age(self) -> Tensor:
        """Steps taken in each episode, ``[N]`` int64."""
        return self._age

    def seeded(self, seed: int) -> None:
        """Draw from ``seed`` from now on."""
        self.generator.manual_seed(seed)

    @torch.no_grad()
    def start(self) -> Tensor:
        """Begin all episodes anew; observations ``[N, F]``."""
        self._kept = 0
        self._episodes = self._begun()
        self._age = torch.zeros(self.count, dtype=torch.int64, device=self.device)
        return self.observed()

    @torch.no_grad()
    def restart(self, which: Tensor) -> Tensor:
        """Begin the episodes in the mask ``which [N]`` anew; observations ``[N, F]`` of all."""
        self._episodes = _chosen(which, self._begun(), self._episodes)
        self._age = torch.where(which, torch.zeros_like(self._age), self._age)
        return self.observed()

    @torch.no_grad()
    def step(self, unit: Tensor) -> ImaginedStep:
        """One step of all episodes under ``unit [N, Du]``, cut to [-1, 1]."""
        before, imagination, action = self._episodes, self.imagination, self.in_units(unit)
        state = imagination.model.transition(before.state, action).rsample(self.generator)
        sane = ((state > self._sane_low) & (state < self._sane_high)).all(-1)
        # A broken state would reach the learner as the last observation of its episode: show the last sane one.
        state = torch.where(sane[:, None], state, before.state)
        after = imagination.follow(before, action, state, self.generator)
        observation = self._normalised(after)
        sane &= observation.isfinite().all(-1)
        observation = torch.where(sane[:, None], observation, self._normalised(before))
        rewards = self._rewards(state, action, sane)
        self._episodes, self._age = _chosen(sane, after, before), self._age + 1
        self._remember()
        return ImaginedStep(observation, rewards, ~sane, sane & (self._age >= self.length))

    def observed(self) -> Tensor:
        """What is seen of all episodes now, ``[N, F]``."""
        return self._normalised(self._episodes)

    def in_units(self, unit: Tensor) -> Tensor:
        """Actions ``[N, Du]`` in the environment's units for ``unit [N, Du]``, cut to [-1, 1]."""
        return torch.lerp(self.low, self.high, 0.5 * (unit.clamp(-1.0, 1.0) + 1.0))

    def policy(self, actor: Actor) -> Callable[[Belief | Tensor], Tensor]:
        """What has learned here, as what acts on beliefs: give it to a `PolicyController`.

        Args:
            actor: from what is observed here, ``[N, F]``, to actions ``[N, Du]``, cut to [-1, 1].

        Returns:
            Actions ``[N, Du]`` within the bounds, in the environment's units, for a belief over N states, or for states
            ``[N, Dz]`` where means are seen.
        """
        kind, goal_size, centre, scale = self.imagination.kind, self.imagination.goal_size, self.centre, self.scale

        @torch.no_grad()
        def act(belief: Belief | Tensor) -> Tensor:
            unit = actor((policy_features(belief, kind, goal_size) - centre) / scale)
            # lerp alone may overshoot a bound by one rounding error.
            return self.in_units(unit).clamp(self.low, self.high)

        return act

    def _begun(self) -> Episodes:
        """Episodes from start states, and in the place of some from where earlier ones came to."""
        states = self.imagination.start_states(self.count, self.generator).detach()
        if self._kept:
            drawn = torch.rand(2, self.count, generator=self.generator, device=self.device)
            index = (drawn[0] * min(self._kept, len(self._visited))).long()
            states = torch.where((drawn[1] < self.fresh)[:, None], states, self._visited[index])
        return self.imagination.start_from(states, self.generator)

    def _remember(self) -> None:
        """Keep where the episodes are, in the place of the oldest that is kept."""
        if not len(self._visited):
            return
        index = (torch.arange(self.count, device=self.device) + self._kept) % len(self._visited)
        self._visited[index] = self.state
        self._kept += self.count

    def _rewards(self, state: Tensor, action: Tensor, sane: Tensor) -> Tensor:
        rewards = self.reward(state, action) / self.reward_scale
        # A reward that is no number is no worst one.
        counted = torch.where(sane & ~rewards.isnan(), rewards, torch.inf)
        self._worst = torch.minimum(self._worst, counted.min().double())
        return torch.where(sane, rewards, (self._worst / (1.0 - self.discount)).to(rewards.dtype))

    def _normalised(self, episodes: Episodes) -> Tensor:
        return (self.imagination.features(episodes) - self.centre) / self.scale


def _chosen(condition: Tensor, first: Episodes, second: Episodes) -> Episodes:
    """``first`` where ``condition [N]`` holds, else ``second``."""
    belief: Belief | None = None
    if first.belief is not None and second.belief is not None:
        belief = choose_belief(condition, first.belief, second.belief)
    return Episodes(torch.where(condition[:, None], first.state, second.state), belief)
