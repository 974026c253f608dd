"""Imagined episodes: what would happen inside a model, and what a policy would get to see of it.

The model answers for everything. States move by its transition. Where the policy is to see beliefs, each true state
also gives an observation drawn from the emission, and the model's own filter turns these into beliefs, as it will in
the real environment; frames dropped on the way teach the policy what a wide belief means. No environment, no data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from latentrl.agents.goal_conditioning import GoalConditioned, attach_goal, goal_features, split_goal
from latentrl.agents.latent import filter_seen
from latentrl.numerics.diverging import diverging, stands_in
from latentrl.types import Belief, Distribution, Dynamics, Filter, RememberingDynamics

StartStates = Callable[[int, torch.Generator], Tensor]
"""``(n, generator) -> [n, Dz]``: where imagined roll-outs may start, for example the learned initial distribution."""

PolicyInput = Literal["mean", "belief"]
"""What of a belief a policy sees: its mean ``[Dz]``, or mean and log standard deviations ``[2 Dz]``."""

SMALLEST_VARIANCE = 1e-12
"""Stands for a variance of zero (a model's noiseless memory), whose logarithm is not finite."""


@runtime_checkable
class ObservedDynamics(Dynamics, Filter, Protocol):
    """A model that can also be observed: what imagining beliefs takes."""

    def emission(self, state: Tensor) -> Distribution:
        """p(x_t | z_t) for ``state [..., Dz]``."""
        ...


class Episodes(NamedTuple):
    """``N`` imagined episodes at one moment: true states ``[N, Dz]``, and beliefs over them where they are wanted.

    Where states carry goals, they are ``[N, Dz + Da]``; beliefs are over ``Dz`` alone, for goals are not observed.
    """

    state: Tensor
    belief: Belief | None


def policy_features(belief: Belief | Tensor, kind: PolicyInput, goal_size: int = 0) -> Tensor:
    """What a policy of this input kind sees, before normalisation.

    Args:
        belief: ``mean [..., Dz]`` and ``covariance [..., Dz, Dz]``; for ``"mean"`` a state ``[..., Dz]`` will do.
        kind: which features.
        goal_size: ``Da`` where mean and state carry a goal, ``[..., Dz + Da]`` (see `goal_features`); else 0.

    Returns:
        ``[..., Dz]`` (mean) or ``[..., 2 Dz]`` (mean, then the logarithms of the marginal standard deviations); ``Da``
        more with a goal, after the mean.

    Raises:
        TypeError: a state alone for a policy that sees beliefs.
    """
    if kind == "mean":
        return goal_features(belief.mean if isinstance(belief, Belief) else belief, goal_size)
    if not isinstance(belief, Belief):
        raise TypeError("this policy sees beliefs: give it a Belief, not a state alone")
    variance = belief.covariance.diagonal(dim1=-2, dim2=-1)
    width = 0.5 * variance.clamp(min=SMALLEST_VARIANCE).log()
    return torch.cat([goal_features(belief.mean, goal_size), width], dim=-1)


class Imagination:
    """Starts and steps episodes inside a model; differentiable in state, belief and action.

    Args:
        model: the dynamics; an `ObservedDynamics` where the policy sees beliefs. A `GoalConditioned` one where it sees
            goals.
        start_states: where episodes start.
        kind: what the policy sees. With ``"mean"`` that is the true state itself, which a good filter's mean stands for
            later.
        drop: probability that a step's observation never arrives. An episode's first one always does.

    Raises:
        ValueError: beliefs of a model that has no filter or emission, or a drop without beliefs or outside [0, 1).
    """

    goal_size: int
    model: Dynamics
    start_states: StartStates
    drop: float

    def __init__(
        self, model: Dynamics, start_states: StartStates, kind: PolicyInput = "mean", drop: float = 0.0
    ) -> None:
        if kind not in ("mean", "belief"):
            raise ValueError(f"a policy's input is mean or belief, not {kind!r}")
        if not 0.0 <= drop < 1.0:
            raise ValueError(f"drop must lie in [0, 1), not {drop}")
        if drop and kind == "mean":
            raise ValueError(f"drop {drop} needs the input belief: a mean does not tell that a frame is missing")
        self._observed: ObservedDynamics | None = None
        self.goal_size = model.goal_size if isinstance(model, GoalConditioned) else 0
        if kind == "belief":
            observed = model.model if isinstance(model, GoalConditioned) else model
            if not isinstance(observed, ObservedDynamics):
                raise ValueError(f"{type(observed).__name__} imagines no beliefs: that takes a filter and an emission")
            self._observed = observed
        self.model, self.start_states, self.kind, self.drop = model, start_states, kind, drop

    def start(self, count: int, generator: torch.Generator) -> Episodes:
        """``count`` fresh episodes."""
        return self.start_from(self.start_states(count, generator).detach(), generator)

    def start_from(self, state: Tensor, generator: torch.Generator) -> Episodes:
        """Episodes from given true states ``[N, Dz]``; their beliefs know the first observation and no more."""
        if self._observed is None:
            return Episodes(state, None)
        observation = self._observed.emission(self._alone(state)).rsample(generator)
        return Episodes(state, _like(self._observed.initial_belief(observation), state))

    def follow(self, episodes: Episodes, action: Tensor, state: Tensor, generator: torch.Generator) -> Episodes:
        """The episodes after ``action [N, Du]`` has led to the true states ``state [N, Dz]``."""
        if self._observed is None or episodes.belief is None:
            return Episodes(state, None)
        observation = self._observed.emission(self._alone(state)).rsample(generator)
        arrived = None
        if self.drop:
            arrived = torch.rand(len(state), generator=generator, device=state.device) >= self.drop
        belief = filter_seen(self._observed, episodes.belief, action, observation, arrived)
        return Episodes(state, _like(belief, state))

    def step(self, episodes: Episodes, action: Tensor, generator: torch.Generator) -> Episodes:
        """The episodes after ``action [N, Du]``, in the environment's units."""
        state = self.model.transition(episodes.state, action).rsample(generator)
        return self.follow(episodes, action, state, generator)

    def seen(self, episodes: Episodes) -> Belief | Tensor:
        """What the policy acts on: beliefs over ``N`` states, or the states ``[N, Dz]`` themselves where it sees means;
        goal-conditioned, they carry the goals, ``[N, Dz + Da]``."""
        if episodes.belief is None:
            return episodes.state
        if not self.goal_size:
            return episodes.belief
        return attach_goal(episodes.belief, split_goal(episodes.state, self.goal_size)[1])

    def features(self, episodes: Episodes) -> Tensor:
        """What the policy sees, ``[N, F]``, not normalised (see `policy_features`)."""
        return policy_features(self.seen(episodes), self.kind, self.goal_size)

    @torch.no_grad()
    def typical_states(self, count: int, low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
        """``[count, Dz]`` to normalise features and rewards by: start states, or states on the way if those are alike.

        A model with a memory starts with an empty one, and goal-conditioned episodes start at rest: neither shows how
        large memories or velocities get.
        """
        states = self.start_states(count, generator).detach()
        alike = bool(unchanging(states).any())
        return self.under_way(states, low, high, generator) if self.goal_size or alike else states

    @torch.no_grad()
    def under_way(
        self, states: Tensor, low: Tensor, high: Tensor, generator: torch.Generator, steps: int = 20
    ) -> Tensor:
        """``states [N, Dz]``, each followed for 0 to ``steps`` steps under uniformly random actions.

        What diverges on the way says nothing of how far states lie apart: others stand in its place (`stands_in`).
        """
        path = [states]
        for _ in range(steps):
            action = _random_actions(len(states), low, high, generator)
            path.append(self.model.transition(path[-1], action).rsample(generator))
        each = torch.arange(len(states), device=states.device)
        paths = torch.stack(path)
        return paths[each % (steps + 1), each][stands_in(~diverging(paths))]

    @torch.no_grad()
    def sane_region(self, typical: Tensor, radius: float) -> tuple[Tensor, Tensor]:
        """Lower and upper bounds ``[Dz]`` of states in which the model is still to be trusted.

        They lie ``radius`` standard deviations of the ``typical`` states ``[N, Dz]`` (see `typical_states`) from their
        mean. A memory has none: it fills up for as long as an episode lasts, and further under one action than under
        random ones.
        """
        middle, reach = typical.mean(0), radius * spread(typical)
        reach[self._memory(typical)] = torch.inf
        return middle - reach, middle + reach

    @torch.no_grad()
    def feature_scale(
        self, states: Tensor, low: Tensor, high: Tensor, generator: torch.Generator, steps: int = 20
    ) -> tuple[Tensor, Tensor]:
        """Centre and spread of the features, each ``[F]``: those to normalise a policy's input by.

        The means' are those of ``states [N, Dz]``, such as `typical_states`; where all states are alike the spread is
        infinite, for a policy that has never seen another value is not to act on one. A memory counts as no
        more than z together, not number for number: else a hundred of them drown a handful (docs/policies.md).
        How wide beliefs get shows only under way, so the log standard deviations' come from ``steps`` steps under
        uniformly random actions between ``low [Du]`` and ``high [Du]``.

        Raises:
            ValueError: the start states are not all finite.
        """
        if not states.isfinite().all():
            raise ValueError("the start states are not all finite: is the model trained?")
        means = goal_features(states, self.goal_size)
        centre, scale = means.mean(0), spread(means).masked_fill(unchanging(means), torch.inf)
        memory = self._memory(states)
        scale[memory] *= max(1.0, (memory.stop - memory.start) / memory.start) ** 0.5
        if self._observed is None:
            return centre, scale
        episodes, widths = self.start_from(states, generator), []
        for _ in range(steps):
            episodes = self.step(episodes, _random_actions(len(states), low, high, generator), generator)
            widths.append(self.features(episodes)[:, len(centre) :])
        width = torch.cat(widths)
        width = width[width.isfinite().all(-1)]
        return torch.cat([centre, width.mean(0)]), torch.cat([scale, spread(width)])

    def _memory(self, states: Tensor) -> slice:
        """Which numbers of ``states [N, Dz]`` are a memory."""
        alone = states.shape[-1] - self.goal_size
        model = self.model.model if isinstance(self.model, GoalConditioned) else self.model
        return slice(model.latent_size if isinstance(model, RememberingDynamics) else alone, alone)

    def _alone(self, state: Tensor) -> Tensor:
        """The state proper, without a goal."""
        return split_goal(state, self.goal_size)[0] if self.goal_size else state


def choose_belief(condition: Tensor, first: Belief, second: Belief) -> Belief:
    """``first`` where ``condition [N]`` holds, else ``second``."""
    return Belief(
        torch.where(condition[:, None], first.mean, second.mean),
        torch.where(condition[:, None, None], first.covariance, second.covariance),
    )


def spread(values: Tensor) -> Tensor:
    """Standard deviation per dimension ``[D]`` of ``values [N, D]``, at least 1% of the widest: a constant has none."""
    std = values.std(0)
    widest = std.max()
    return std.clamp(min=0.01 * widest.item()) if widest > 0 else torch.ones_like(std)


def unchanging(values: Tensor) -> Tensor:
    """Which dimensions ``[D]`` are the same in all ``values [N, D]``."""
    return (values == values[0]).all(0)


def reward_scale(rewards: Tensor) -> float:
    """Standard deviation of the start states' rewards ``[N]``, or their size where all are alike."""
    for scale in (rewards.std().item(), rewards.abs().mean().item()):
        if 1e-6 < scale < float("inf"):
            return scale
    return 1.0


def _random_actions(count: int, low: Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
    """``[count, Du]``, uniform between ``low [Du]`` and ``high [Du]``."""
    return torch.lerp(low, high, torch.rand(count, len(low), generator=generator, dtype=low.dtype, device=low.device))


def _like(belief: Belief, state: Tensor) -> Belief:
    return Belief(belief.mean.to(state.dtype), belief.covariance.to(state.dtype))
