"""Policy learning by backpropagation through the model (Latent Matters, Eq. 4.34).

Maximises ``J = sum_t E[r(z_{t+1})]`` over H imagined steps with respect to the policy's parameters: the transition is
differentiable and its noise reparameterised, so the gradient of the return is exact for the sampled noise. Nothing but
the model is asked: no environment, no data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.agents.goal_conditioning import goal_features
from latentrl.agents.imagination import Imagination, PolicyInput, StartStates, reward_scale, spread
from latentrl.agents.policies.adjoint import Explore, ImaginedBatch, adjoint_of
from latentrl.agents.policies.critic import Critic
from latentrl.agents.policies.gradients import StateGuard, limit_gradient
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.progress import OnProgress
from latentrl.agents.rollout import rollout_closed_loop
from latentrl.types import Belief, Dynamics, Reward

RISE = 0.02
"""Of all that the imagined return has risen: where half a round, or a further one, brought no more, it has stopped."""
JUDGED = 256
"""Roll-outs that it is the mean of."""
LONG_RUN = 8
"""Horizons that a policy is followed for in the long run; its second half is judged."""
NEAR = 0.05
"""In the long run, of the squared distance at the start: a policy that comes so near has arrived."""
GAIN = 0.1
"""Of what is left in the long run: where a round brought no more, another one will not either."""
LARGEST = 1e9
"""Of bounds and rates: in float32 the products of larger ones are no numbers."""


@dataclass(frozen=True)
class AnalyticGradientOptions:
    """Settings of policy learning.

    Attributes:
        updates: gradient steps.
        rounds: how often they may be gone through, while the imagined return still rises or the policy, which in the
            long run does not arrive, comes nearer. The later ones begin with half the learning rate and explore no
            more. The policy of the best round is kept: of those that arrive the one with the highest return, else the
            one that comes nearest.
        horizon: imagined steps H per roll-out.
        batch: roll-outs per update.
        learning_rate: Adam's, at the start; it decays to zero along a half cosine.
        hidden: widths of the policy's hidden layers.
        fresh: share of each batch that starts from the start states; the others start from states that earlier
            roll-outs visited, so that the policy also knows what comes after the horizon.
        buffer: how many visited states are kept.
        exploration: share of each imagined action that is uniformly random, at the start; it falls linearly to zero
            over the first 60% of the updates. It is the expectation over a stochastic policy in Eq. 4.34, and keeps
            the policy from saturating early.
        sample: draw the transition's noise; else follow its mean.
        state_gradient: largest norm of the return's gradient with respect to one state, in standard deviations of the
            reward per standard deviation of the state.
        parameter_gradient: largest norm of the averaged gradient with respect to the parameters.
        sane_radius: roll-outs may not leave the start states' mean by more than so many standard deviations.
        bootstrap: add the value of a roll-out's last state to its return (see `Critic`), so that a horizon of 5 to 10
            steps suffices. The return is then discounted. The value counts after 20% of the updates and in full after
            50%, once it has been learned.
        discount: gamma of the bootstrapped return, per step.
        input: what the policy sees of a belief. With ``"belief"``, beliefs are imagined along with the states, and the
            gradient flows through the model's filter too.
        drop: with ``"belief"``, the probability that an imagined observation never arrives.
    """

    updates: int = 400
    rounds: int = 1
    horizon: int = 30
    batch: int = 256
    learning_rate: float = 5e-3
    hidden: tuple[int, ...] = (64, 64)
    fresh: float = 0.25
    buffer: int = 4096
    exploration: float = 0.5
    sample: bool = True
    state_gradient: float = 10.0
    parameter_gradient: float = 10.0
    sane_radius: float = 20.0
    bootstrap: bool = False
    discount: float = 0.97
    input: PolicyInput = "mean"
    drop: float = 0.0

    def __post_init__(self) -> None:
        for name in ("updates", "rounds", "horizon", "batch", "buffer"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "state_gradient", "parameter_gradient", "sane_radius"):
            if not 0.0 < getattr(self, name) <= LARGEST:
                raise ValueError(f"{name} must be positive and at most {LARGEST:g}, not {getattr(self, name)}")
        if not 0.0 < self.fresh <= 1.0:
            raise ValueError(f"fresh must lie in (0, 1], not {self.fresh}")
        if not 0.0 <= self.exploration < 1.0:
            raise ValueError(f"exploration must lie in [0, 1), not {self.exploration}")
        if not 0.0 <= self.discount < 1.0:
            raise ValueError(f"discount must lie in [0, 1), not {self.discount}")


class Update(NamedTuple):
    """What one update did.

    Attributes:
        mean_reward: per imagined step.
        gradient_norm: the parameter gradient's, before clipping.
    """

    mean_reward: float
    gradient_norm: float


class _Standing(NamedTuple):
    """How a policy fares: its imagined return a step, the share of these episodes that the guard had to stop, and what
    is left of the distance in the long run."""

    imagined: float
    diverged: float
    long_run: float

    def order(self) -> tuple[float, float]:
        """Greater is better; where nothing is known of a distance, by the return alone: NaN is less than nothing."""
        return -max(NEAR, self.long_run), self.imagined if math.isfinite(self.imagined) else -math.inf


class _Followed(NamedTuple):
    """Episodes: rewards where they begin ``[N]`` and afterwards ``[N, H]``; whether the guard stopped them ``[N]``."""

    begun: Tensor
    rewards: Tensor
    stopped: Tensor


class AnalyticGradient:
    """Learns an `MLPPolicy` inside a model, one `update` at a time; ``policy`` is usable at any moment.

    Args:
        dynamics: the model; a `GoalConditioned` one for a policy for any goal.
        reward: differentiable in the state.
        start_states: where roll-outs start.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings.
        seed: of the policy's weights, the start states and the transition noise.
    """

    options: AnalyticGradientOptions
    dynamics: Dynamics
    reward: Reward
    policy: MLPPolicy

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        start_states: StartStates,
        low: Tensor,
        high: Tensor,
        options: AnalyticGradientOptions | None = None,
        seed: int = 0,
    ) -> None:
        self.options = options = options or AnalyticGradientOptions()
        self.dynamics, self.reward = dynamics, reward
        self._imagination = Imagination(dynamics, start_states, options.input, options.drop)
        self._generator = torch.Generator(low.device).manual_seed(seed)
        states = self._imagination.typical_states(1024, low, high, self._generator)
        centre, scale = self._imagination.feature_scale(states, low, high, self._generator)
        goal_size = self._imagination.goal_size
        of_state = slice(goal_features(states, goal_size).shape[1])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = MLPPolicy(low, high, centre, scale, options.hidden, options.input, goal_size)
            self._critic: Critic | None = None
            if options.bootstrap:
                self._critic = Critic(centre[of_state], scale[of_state], options.discount, goal_size=goal_size)
        self._guard = StateGuard(
            *self._imagination.sane_region(states, options.sane_radius), spread(states), options.state_gradient
        )
        self._half_range = (high - low) / 2
        self._reward_scale = reward_scale(reward(states, low.new_zeros(len(states), len(low))))
        self._visited = states[:0]
        self._done = 0
        self._seed = seed
        self.returns: list[float] = []
        self.long_run = self.diverged = math.nan
        self._parameters = list(self.policy.parameters())
        self._adjoint = adjoint_of(dynamics) if options.input == "mean" else None
        self._imagined: ImaginedBatch | None = None
        self._begin_round(options.learning_rate)

    def _begin_round(self, learning_rate: float) -> None:
        self._optimizer = torch.optim.Adam(self._parameters, lr=learning_rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, self.options.updates)

    @property
    def budget(self) -> int:
        """Updates to do at most: what ``on_progress`` of `learn` counts up to."""
        return self.options.updates * self.options.rounds

    def learn(self, on_progress: OnProgress | None = None) -> MLPPolicy:
        """All updates of a round in a row, and of further rounds while that helps; returns the policy."""
        options, watched = self.options, self.options.rounds > 1
        first = halfway = self._judged() if watched else 0.0
        for _ in range(options.updates):
            self._advance(on_progress)
            if watched and self._done == options.updates // 2:
                halfway = self.imagined_return()
        if not watched:
            self.diverged = self.share_diverged()
            return self.policy
        now = self._stands()
        rises, comes_nearer = now.imagined - halfway > RISE * (now.imagined - first), now.long_run > NEAR
        for _ in range(options.rounds - 1):
            if not (rises or comes_nearer):
                break
            kept, before = deepcopy(self.policy.state_dict()), now
            self._begin_round(options.learning_rate / 2)
            for _ in range(options.updates):
                self._advance(on_progress)
            found = self._stands()
            rises = found.imagined - before.imagined > RISE * (max(found.imagined, before.imagined) - first)
            comes_nearer = NEAR < found.long_run < (1 - GAIN) * before.long_run
            now = max(before, found, key=_Standing.order)
            if now is before:
                self.policy.load_state_dict(kept)
        self.long_run, self.diverged = now.long_run, now.diverged
        return self.policy

    def _judged(self) -> float:
        self.returns.append(self.imagined_return())
        return self.returns[-1]

    def _stands(self) -> _Standing:
        return _Standing(self._judged(), self.share_diverged(), self.fares_in_the_long_run())

    def _advance(self, on_progress: OnProgress | None) -> None:
        mean_reward, norm = self.step()
        if on_progress is not None:
            update = Update(float(mean_reward), float(norm))
            on_progress(self._done, update._asdict())

    @torch.no_grad()
    def imagined_return(self) -> float:
        """The policy's mean reward per step as it is, always from the same start states and with the same noise.

        A roll-out that the guard had to stop counts as if it had stayed where it began: what a model makes of states
        that it cannot know is no measure of a policy.
        """
        followed = self._followed(self.options.horizon)
        return float(torch.where(followed.stopped, followed.begun, followed.rewards.mean(1)).mean())

    def share_diverged(self) -> float:
        """Of the roll-outs of `imagined_return`, those that the guard had to stop."""
        return float(self._followed(self.options.horizon).stopped.double().mean())

    @torch.no_grad()
    def fares_in_the_long_run(self) -> float:
        """The mean reward in the second half of an episode of 8 horizons, as a share of what its start states have.

        For rewards that are squared distances: 0 is at the goal, 1 as far from it as at the start, where an episode
        that the guard had to stop counts as if it had stayed. It is infinite where roll-outs are not finite, and NaN
        where the reward at the start is not negative, which no distance's is. Start states and noise are always the
        same.
        """
        horizon = LONG_RUN * self.options.horizon
        followed = self._followed(horizon)
        late = torch.where(followed.stopped, followed.begun, followed.rewards[:, horizon // 2 :].mean(1))
        begun = float(followed.begun.mean())
        if begun >= 0:
            return math.nan
        share = float(late.mean()) / begun
        return share if math.isfinite(share) else math.inf

    @torch.no_grad()
    def _followed(self, horizon: int) -> _Followed:
        """The policy as it is, always from the same start states and with the same noise."""
        generator = torch.Generator(self._generator.device).manual_seed(self._seed)
        start = self._imagination.start_states(JUDGED, generator).detach()
        stopped = torch.zeros(JUDGED, dtype=torch.bool, device=start.device)

        def guard(state: Tensor, following: Tensor) -> Tensor:
            kept = self._guard(state, following)
            stopped.logical_or_((kept != following).any(-1))
            return kept

        actor = self._actor(generator, explores=False)
        states, actions = rollout_closed_loop(
            self.dynamics, start, actor, horizon, generator, self.options.sample, guard
        )
        return _Followed(self.reward(start, torch.zeros_like(actions[:, 0])), self.reward(states, actions), stopped)

    def update(self) -> Update:
        """One gradient step on one batch of imagined roll-outs."""
        mean_reward, norm = self.step()
        return Update(float(mean_reward), float(norm))

    def step(self) -> tuple[Tensor, Tensor]:
        """The same, without waiting for the device: the mean reward and the gradient's norm, before clipping."""
        options = self.options
        start = self._draw_starts()
        states, rewards, gradients = self._imagine(start)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient / options.batch
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, options.parameter_gradient)
        self._optimizer.step()
        self._schedule.step()
        if self._critic is not None:
            self._critic.update(torch.cat([start[:, None], states], dim=1), rewards)
        self._remember(states.detach())
        self._done += 1
        return rewards.detach().mean() * self._reward_scale, norm.detach()

    def _imagine(self, start: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """One batch of roll-outs: states ``[B, H, Dz]``, rewards ``[B, H]`` and the gradients of the parameters."""
        options, generator = self.options, self._generator
        # Summed over samples, so that the state gradients that the guard bounds are each sample's own.
        if self._adjoint is None:
            states, actions = rollout_closed_loop(
                self.dynamics, start, self._actor(generator), options.horizon, generator, options.sample, self._guard
            )
            rewards = self.reward(states, actions) / self._reward_scale
            return states, rewards, torch.autograd.grad(-self._returns(states, rewards).sum(), self._parameters)
        if self._imagined is None:
            given = self.policy, self._adjoint, self._guard, options.horizon, options.sample, start
            self._imagined = ImaginedBatch(*given)
        states, actions = self._imagined.follow(start, Explore(self._random_share(), generator))
        rewards = self.reward(states, actions) / self._reward_scale
        to_states, to_actions = torch.autograd.grad(
            -self._returns(states, rewards).sum(), (states, actions), allow_unused=True, materialize_grads=True
        )
        return states, rewards, self._imagined.gradients(to_states, to_actions, options.state_gradient)

    def _returns(self, states: Tensor, rewards: Tensor) -> Tensor:
        """What to maximise for ``states [B, H, Dz]`` and ``rewards [B, H]``: ``[B]``."""
        if self._critic is None:
            return rewards.sum(1)
        steps = torch.arange(rewards.shape[1] + 1, device=rewards.device)
        weights = self.options.discount ** steps.to(rewards)
        return rewards @ weights[:-1] + self._trust() * weights[-1] * self._critic(states[:, -1])

    def _trust(self) -> float:
        """The weight of the bootstrapped value at this update, from 0 to 1."""
        return min(1.0, max(0.0, (self._done / self.options.updates - 0.2) / 0.3))

    def _actor(self, generator: torch.Generator, explores: bool = True) -> Callable[[Tensor], Tensor]:
        """What acts in one batch of roll-outs: given each state in turn, it goes on believing and acts on that."""
        imagination = self._imagination
        last = None

        def act(state: Tensor) -> Tensor:
            nonlocal last
            if last is None:
                now = imagination.start_from(state, generator)
            else:
                now = imagination.follow(*last, state, generator)
            seen = imagination.seen(now)
            action = self._explore(seen) if explores else self.policy(seen)
            last = now, action
            return action

        return act

    def _explore(self, belief: Belief | Tensor) -> Tensor:
        action = limit_gradient(self.policy(belief), self._half_range, self.options.state_gradient)
        share = self._random_share()
        if share == 0.0:
            return action
        uniform = torch.rand(action.shape, generator=self._generator, dtype=action.dtype, device=action.device)
        return torch.lerp(action, torch.lerp(self.policy.low, self.policy.high, uniform), share)

    def _random_share(self) -> float:
        return self.options.exploration * max(0.0, 1.0 - self._done / (0.6 * self.options.updates))

    def _draw_starts(self) -> Tensor:
        batch, kept = self.options.batch, len(self._visited)
        fresh = batch if kept == 0 else max(1, round(self.options.fresh * batch))
        start = self._imagination.start_states(fresh, self._generator).detach()
        if fresh == batch:
            return start
        index = torch.randint(kept, (batch - fresh,), generator=self._generator, device=start.device)
        return torch.cat([start, self._visited[index]])

    def _remember(self, states: Tensor) -> None:
        """Keep one random state of every roll-out in ``states [B, H, Dz]``, the newest first."""
        step = torch.randint(states.shape[1], (len(states), 1, 1), generator=self._generator, device=states.device)
        visited = states.take_along_dim(step, dim=1)[:, 0]
        self._visited = torch.cat([visited, self._visited])[: self.options.buffer]
