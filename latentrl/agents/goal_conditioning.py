"""One policy for any goal: a goal is a part of the state that nothing changes (Schaul et al., 2015, UVFA).

A state ``z`` and a goal position make the state ``[z, goal]``, ``Dz + Da`` numbers. Its dynamics are the model's, and
its reward is the distance between two of its parts (`latentrl.rewards.carried_goal.CarriedGoalReward`): whatever
learns a policy for one goal learns one for every goal inside it.

Goals are drawn as positions of start states, independently of the start: what the model believes its data to be like.
That takes no label and no data.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentrl.types import Belief, Distribution, Dynamics


class CarriedGoal:
    """The next state, a goal with it; implements `latentrl.types.Distribution`.

    Args:
        state: over the model's own part ``[..., Dz]``.
        goal: ``[..., Da]``, known.
    """

    state: Distribution
    goal: Tensor

    def __init__(self, state: Distribution, goal: Tensor) -> None:
        self.state, self.goal = state, goal

    @property
    def mean(self) -> Tensor:
        """Expected value ``[..., Dz + Da]``."""
        return torch.cat([self.state.mean, self.goal], dim=-1)

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """A reparameterised sample ``[..., Dz + Da]``."""
        return torch.cat([self.state.rsample(generator), self.goal], dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of the model's own part of ``value [..., Dz + Da]`` in nats, ``[...]``."""
        return self.state.log_prob(value[..., : -self.goal.shape[-1]])


class GoalConditioned:
    """A model whose states carry a goal; implements `latentrl.types.Dynamics`.

    Args:
        model: the dynamics of the states alone.
        initial_states: ``(n, generator) -> [n, Dz]``: where imagined roll-outs may start.
        goal_size: ``Da``, how many leading dimensions of a state are its position.
        dynamics: the same transition, only faster (see ``WorldModel.frozen``); ``model`` itself if None.
    """

    model: Dynamics
    goal_size: int
    dynamics: Dynamics

    def __init__(
        self,
        model: Dynamics,
        initial_states: Callable[[int, torch.Generator], Tensor],
        goal_size: int,
        dynamics: Dynamics | None = None,
    ) -> None:
        if goal_size < 1:
            raise ValueError(f"goal_size must be at least 1, not {goal_size}")
        self.model, self.goal_size = model, goal_size
        self._initial_states, self.dynamics = initial_states, dynamics or model

    def initial_states(self, count: int, generator: torch.Generator) -> Tensor:
        """States ``[count, Dz + Da]``: a start state, and the position of another one as its goal."""
        start, other = self._initial_states(count, generator), self._initial_states(count, generator)
        return torch.cat([start, other[:, : self.goal_size]], dim=-1)

    def transition(self, state: Tensor, action: Tensor) -> CarriedGoal:
        """p(z_{t+1} | z_t, u_t) for ``state [..., Dz + Da]`` and ``action [..., Du]``; the goal stays."""
        alone, goal = split_goal(state, self.goal_size)
        # A goal's gradient would sum over all steps and crowd the state's own out of the bound that both share.
        return CarriedGoal(self.dynamics.transition(alone, action), goal.detach())


def split_goal(state: Tensor, goal_size: int) -> tuple[Tensor, Tensor]:
    """The state proper ``[..., Dz]`` and the goal ``[..., Da]`` of ``state [..., Dz + Da]``."""
    return state[..., :-goal_size], state[..., -goal_size:]


def attach_goal(belief: Belief, goal: Tensor) -> Belief:
    """What a goal-conditioned policy is asked with: the belief, whose mean now carries the goal.

    Args:
        belief: ``mean [N, Dz]``, ``covariance [N, Dz, Dz]``.
        goal: ``[N, Da]``, or ``[Da]`` for all.

    Raises:
        ValueError: there are several goals, and not as many as beliefs.
    """
    if goal.ndim > 1 and len(goal) != len(belief.mean):
        raise ValueError(f"there are {len(goal)} goals, one for each episode, but {len(belief.mean)} beliefs")
    carried = goal.to(belief.mean.dtype).expand(*belief.mean.shape[:-1], -1)
    return Belief(torch.cat([belief.mean, carried], dim=-1), belief.covariance)


def goal_features(state: Tensor, goal_size: int) -> Tensor:
    """What a policy or a critic sees of ``state [..., Dz + Da]``: the state proper, and the way to the goal.

    The goal itself is left out: it is the position and the way together. Where ``goal_size`` is 0, the state as it is.
    """
    if not goal_size:
        return state
    alone, goal = split_goal(state, goal_size)
    return torch.cat([alone, goal - alone[..., :goal_size]], dim=-1)
