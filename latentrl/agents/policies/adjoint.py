"""Roll-outs of a policy inside a model and their gradient by the policy's parameters, both written by hand.

The same numbers as `rollout_closed_loop` and automatic differentiation give, at a third of the cost: states are columns
of buffers, no step records a graph, and parameters get their gradients from all steps in one product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentrl.agents.goal_conditioning import GoalConditioned
from latentrl.agents.policies.gradients import StateGuard
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.agents.policies.squashing import LEAST_SLOPE
from latentrl.numerics.distributions import standard_normal_like
from latentrl.types import AdjointDynamics, Dynamics


def adjoint_of(dynamics: Dynamics) -> AdjointDynamics | None:
    """The dynamics of states without goals, where they go back through their own steps; else None."""
    alone = dynamics.dynamics if isinstance(dynamics, GoalConditioned) else dynamics
    return alone if isinstance(alone, AdjointDynamics) else None


class Layers(NamedTuple):
    """The policy's layers as they read states: what is normalised before the first is part of it.

    With tanh x = 2 s(2 x) - 1 they are those of a network of sigmoids s, which PyTorch computes three times as fast;
    the last sigmoid is where in its range an action is.
    """

    weights: list[Tensor]  # [n_out, n_in]
    biases: list[Tensor]  # [n_out]

    @classmethod
    def of(cls, policy: MLPPolicy) -> Layers:
        """Differentiable in the policy's parameters."""
        first, *others = [layer for layer in policy.layers if isinstance(layer, nn.Linear)]
        scaled = first.weight / policy.state_scale
        bias = first.bias - scaled @ policy.state_mean
        if policy.goal_size:
            # Of state and goal, a policy sees the state and the way: goal - position.
            size = scaled.shape[1] - policy.goal_size
            own, way = scaled[:, :size], scaled[:, size:]
            scaled = torch.cat((own[:, : policy.goal_size] - way, own[:, policy.goal_size :], way), 1)
        weights, biases = [2.0 * scaled], [2.0 * bias]
        for layer in others:
            weights.append(4.0 * layer.weight)
            biases.append(2.0 * (layer.bias - layer.weight.sum(1)))
        return cls(weights, biases)


class Explore(NamedTuple):
    """What of each action is random."""

    share: float
    generator: torch.Generator


class ImaginedBatch:
    """Batches of roll-outs, one after another, in the same buffers: each is forgotten when the next begins.

    Args:
        policy: that sees means.
        dynamics: of states without goals.
        guard: what keeps roll-outs sane.
        horizon: steps H.
        sample: draw the transition's noise; else follow its mean.
        start: what roll-outs begin with, for its shape, ``[N, Dz]``, or with goals ``[N, Dz + Da]``.
    """

    def __init__(
        self,
        policy: MLPPolicy,
        dynamics: AdjointDynamics,
        guard: StateGuard,
        horizon: int,
        sample: bool,
        start: Tensor,
    ) -> None:
        self._policy, self._guard, self._sample = policy, guard, sample
        count, size = start.shape
        self._size = size - policy.goal_size
        self._tape = dynamics.tape(horizon, count, start.dtype)
        # Entry t holds what step t begins with.
        self._states = start.new_empty(horizon + 1, size, count)
        self._values = [start.new_empty(horizon, len(bias), count) for bias in Layers.of(policy).biases]
        self._slopes = [torch.empty_like(values) for values in self._values]
        self._actions = start.new_empty(horizon, len(policy.low), count)
        self._sane = torch.empty(horizon, count, dtype=torch.bool, device=start.device)
        # Views of every step, for to cut one out takes as long as to compute with it.
        self._state_at, self._action_at, self._sane_at = (
            whole.unbind(0) for whole in (self._states, self._actions, self._sane)
        )
        self._value_at, self._slope_at = ([whole.unbind(0) for whole in some] for some in (self._values, self._slopes))

    def follow(self, start: Tensor, explore: Explore) -> tuple[Tensor, Tensor]:
        """States after each action ``[N, H, Dz]``, with the goals, and actions ``[N, H, Du]``, to ask for gradients by.

        Args:
            start: ``[N, Dz]``, or with goals ``[N, Dz + Da]``.
            explore: what of each action is random.
        """
        with torch.enable_grad():
            self._layers = Layers.of(self._policy)
        self._share = explore.share
        with torch.no_grad():
            self._follow(start, explore)
        found = self._states[1:].permute(2, 0, 1), self._actions.permute(2, 0, 1)
        return found[0].requires_grad_(), found[1].requires_grad_()

    def _follow(self, start: Tensor, explore: Explore) -> None:
        policy, guard, size = self._policy, self._guard, self._size
        weights = [weight.detach() for weight in self._layers.weights]
        biases = [bias.detach().unsqueeze(1) for bias in self._layers.biases]
        low, high, span = (one.unsqueeze(1) for one in (policy.low, policy.high, policy.high - policy.low))
        least, most = (one.unsqueeze(1) for one in (guard.low, guard.high))
        self._states[0] = start.T
        self._states[1:, size:] = start.T[size:]
        for t in range(len(self._actions)):
            state = here = self._state_at[t]
            for weight, bias, values in zip(weights, biases, self._value_at, strict=True):
                here = torch.addmm(bias, weight, here, out=values[t]).sigmoid_()
            action = torch.addcmul(low, here, span, out=self._action_at[t]).clamp_(low, high)
            if explore.share:
                uniform = torch.rand(
                    action.T.shape, generator=explore.generator, dtype=start.dtype, device=start.device
                )
                action.lerp_(torch.lerp(low, high, uniform.T), explore.share)
            noise = standard_normal_like(state[:size].T, explore.generator).T if self._sample else None
            following = self._state_at[t + 1]
            following[:size] = self._tape.forward(t, state[:size], action, noise)
            sane = torch.all((following > least) & (following < most), 0, out=self._sane_at[t])
            torch.where(sane, following, state, out=following)

    @torch.no_grad()
    def gradients(self, to_states: Tensor, to_actions: Tensor, max_norm: float) -> list[Tensor]:
        """Gradients by the policy's parameters, in their order.

        Args:
            to_states: by the states that :meth:`follow` found, on the ways that lead through no later step.
            to_actions: by the actions, likewise.
            max_norm: the largest of an action's gradient.
        """
        policy, guard, size = self._policy, self._guard, self._size
        span = (policy.high - policy.low).unsqueeze(1)
        backwards = [weight.detach().T.contiguous() for weight in self._layers.weights]
        of_state, of_action = guard.scale.unsqueeze(1) / guard.max_norm, span / 2 / max_norm
        from_reward, from_action = (given.permute(1, 2, 0).unbind(0) for given in (to_states, to_actions))
        later = torch.zeros_like(self._states[0])
        for t in range(len(self._actions) - 1, -1, -1):
            gradient = _shortened(later.add_(from_reward[t]), of_state)
            to_state, to_action = self._tape.backward(t, gradient[:size] * self._sane_at[t])
            to_action = to_action.add_(from_action[t])
            if self._share:
                to_action = to_action.mul_(1.0 - self._share)
            here = _shortened(to_action, of_action).mul_(span)
            for k in range(len(backwards) - 1, -1, -1):
                slope, value = self._slope_at[k][t], self._value_at[k][t]
                torch.ops.aten.sigmoid_backward.grad_input(here, value, grad_input=slope)
                if k == len(backwards) - 1:
                    _lead_back(slope, here, value)
                here = backwards[k] @ slope
            later = here
            later[:size].add_(to_state)
        inputs = [self._states[:-1], *self._values[:-1]]
        found = [torch.bmm(slope, values.mT).sum(0) for slope, values in zip(self._slopes, inputs, strict=True)]
        found += [slope.sum((0, 2)) for slope in self._slopes]
        given = [*self._layers.weights, *self._layers.biases]
        return list(torch.autograd.grad(given, list(policy.parameters()), found))


def _lead_back(slope: Tensor, gradient: Tensor, value: Tensor) -> None:
    """``slope`` becomes the gradient before the last sigmoid, ``value``, as ``squashing.squash`` has it."""
    inwards = (value - 0.5) * gradient > 0
    # As tanh x = 2 s(2 x) - 1, its slope is four times the sigmoid's.
    least = gradient * (LEAST_SLOPE / 4)
    torch.where(inwards & (slope.abs() < least.abs()), least, slope, out=slope)


def _shortened(gradient: Tensor, scale: Tensor) -> Tensor:
    """`latentrl.agents.policies.gradients.shorten` for columns ``[D, N]``, in place.

    ``scale [D, 1]`` is already divided by the largest norm.
    """
    gradient = gradient.nan_to_num_(0.0, 0.0, 0.0)
    squared = (gradient * scale).square_().sum(0)
    return gradient.mul_(squared.clamp_(min=1.0).rsqrt_())
