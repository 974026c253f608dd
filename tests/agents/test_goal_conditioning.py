"""One policy for any goal, on linear-quadratic problems whose best cost is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentrl.agents import PolicyController
from latentrl.agents.goal_conditioning import GoalConditioned, attach_goal, goal_features
from latentrl.agents.imagination import Imagination
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.policies import AnalyticGradient, AnalyticGradientOptions, MLPPolicy
from latentrl.agents.rollout import rollout_closed_loop
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.carried_goal import CarriedGoalReward
from latentrl.types import Belief, Distribution, Dynamics
from tests.double_integrator import DoubleIntegrator

BOUND, PENALTY, HORIZON = torch.tensor([8.0]), 0.05, 40


def starts(count: int, generator: torch.Generator) -> Tensor:
    return 0.5 * torch.randn(count, 2, generator=generator)


def carrying() -> GoalConditioned:
    return GoalConditioned(DoubleIntegrator(), starts, 1)


def least_cost(state: Tensor) -> Tensor:
    """By dynamic programming without bounds, ``[N]``: shifted by the goal of ``state [N, 3]``, it is a regulator's."""
    return _cost_to_go(HORIZON, state[:, :2] - torch.cat([state[:, 2:], torch.zeros(len(state), 1)], 1))


def regulate_to_the_mean_goal(state: Tensor) -> Tensor:
    """A regulator, without bounds, that does not see the goal of ``state [N, 3]``: zero on average."""
    return state[:, :2] @ _gain(_matrix(HORIZON)).T


def _matrix(steps: int) -> Tensor:
    a, to_go = DoubleIntegrator.state_matrix, torch.zeros(2, 2)
    for _ in range(steps):
        ahead = torch.diag(torch.tensor([1.0, 0.0])) + to_go
        to_go = a.T @ ahead @ (a + DoubleIntegrator.control_matrix @ _gain(to_go))
    return to_go


def _gain(to_go: Tensor) -> Tensor:
    a, b = DoubleIntegrator.state_matrix, DoubleIntegrator.control_matrix
    ahead = torch.diag(torch.tensor([1.0, 0.0])) + to_go
    return -torch.linalg.solve(PENALTY * torch.eye(1) + b.T @ ahead @ b, b.T @ ahead @ a)


def _cost_to_go(steps: int, state: Tensor) -> Tensor:
    return torch.einsum("ni,ij,nj->n", state, _matrix(steps), state)


@pytest.fixture(scope="module")
def policy() -> MLPPolicy:
    """Learned for any goal, once for all tests."""
    options = AnalyticGradientOptions(updates=200, horizon=HORIZON, batch=64)
    problem, reward = carrying(), CarriedGoalReward(1, PENALTY)
    learner = AnalyticGradient(problem, reward, problem.initial_states, -BOUND, BOUND, options, seed=0)
    return learner.learn().requires_grad_(False)


def test_learns_the_linear_quadratic_regulator_of_every_goal(policy: MLPPolicy) -> None:
    problem = carrying()
    start = problem.initial_states(256, torch.Generator().manual_seed(1))

    def cost(act: Callable[[Tensor], Tensor]) -> Tensor:
        states, actions = rollout_closed_loop(problem, start, act, HORIZON, sample=False)
        return -CarriedGoalReward(1, PENALTY)(states, actions).sum(-1).mean()

    best = least_cost(start).mean()
    assert best * (1 - 1e-4) <= cost(policy) <= 1.10 * best
    assert cost(regulate_to_the_mean_goal) > 2 * best, "else a policy that sees no goal would do as well"


def test_what_starts_at_rest_is_measured_by_how_it_moves() -> None:
    def at_rest(count: int, generator: torch.Generator) -> Tensor:
        return starts(count, generator) * torch.tensor([1.0, 0.0])

    problem, reward = GoalConditioned(DoubleIntegrator(), at_rest, 1), CarriedGoalReward(1, PENALTY)
    learner = AnalyticGradient(problem, reward, problem.initial_states, -BOUND, BOUND, seed=0)
    moving = torch.Generator().manual_seed(1)
    state = problem.initial_states(1000, moving)
    for _ in range(20):
        action = BOUND * (2 * torch.rand(1000, 1, generator=moving) - 1)
        state = problem.transition(state, action).rsample(moving)
    fastest = float(state[:, 1].std())
    imagined = ImaginedEpisodes(Imagination(problem, problem.initial_states), reward, -BOUND, BOUND)
    for scale in (learner.policy.state_scale, imagined.scale):
        assert 0.3 * fastest < scale[1] < fastest, "of the states on the way, not of the start states' zero"


def test_arrives_at_goals_it_is_given_and_stays_there(policy: MLPPolicy) -> None:
    goals = torch.linspace(-1.0, 1.0, 21)[:, None]
    start = torch.cat([starts(21, torch.Generator().manual_seed(2)), goals], dim=1)
    states, _ = rollout_closed_loop(carrying(), start, policy, 100, sample=False)
    error = (states[:, -20:, 0] - goals).abs().amax(1)
    assert error.max() < 0.1 and torch.equal(states[:, -1, 2:], goals)


def test_a_goal_is_carried_and_the_model_moves_as_without_it() -> None:
    problem: Dynamics = carrying()
    alone, action, goal = torch.randn(5, 4, 2), torch.randn(5, 4, 1), torch.randn(5, 4, 1, requires_grad=True)
    step = problem.transition(torch.cat([alone, goal], -1), action)
    own = DoubleIntegrator().transition(alone, action)
    assert isinstance(problem, Dynamics)
    assert torch.equal(step.mean[..., :2], own.mean) and torch.equal(step.mean[..., 2:], goal)
    sample = step.rsample(torch.Generator().manual_seed(0))
    assert torch.equal(sample[..., :2], own.rsample(torch.Generator().manual_seed(0)))
    assert torch.equal(step.log_prob(sample), own.log_prob(sample[..., :2]))
    (gradient,) = torch.autograd.grad(step.mean.sum(), goal)
    assert not gradient.any(), "goals are given, not sought"


def test_the_faster_transition_is_the_one_asked() -> None:
    class Twin(DoubleIntegrator):
        asked = 0

        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            self.asked += 1
            return super().transition(state, action)

    twin = Twin()
    step: Distribution = GoalConditioned(DoubleIntegrator(), starts, 1, twin).transition(torch.ones(2, 3), BOUND)
    assert twin.asked == 1 and step.mean.shape == (2, 3)


def test_goals_are_positions_of_start_states_and_independent_of_the_start() -> None:
    states = GoalConditioned(DoubleIntegrator(), starts, 1).initial_states(4000, torch.Generator().manual_seed(0))
    correlation = torch.corrcoef(states.T)
    assert states.shape == (4000, 3) and correlation[2, :2].abs().max() < 0.05
    assert abs(states[:, 2].std() - 0.5) < 0.02


def test_a_policy_sees_the_way_to_the_goal() -> None:
    state = torch.tensor([[1.0, 2.0, 3.0, 10.0, 20.0]])
    assert goal_features(state, 2).tolist() == [[1.0, 2.0, 3.0, 9.0, 18.0]]
    assert goal_features(state, 0) is state


def test_a_controller_tells_the_policy_the_goal_of_each_episode() -> None:
    belief = Belief(torch.arange(6.0).view(3, 2), torch.eye(2).expand(3, 2, 2))
    asked: list[Belief] = []

    def policy(given: Belief) -> Tensor:
        asked.append(given)
        return given.mean[:, :1]

    PolicyController(policy, torch.tensor([[7.0], [8.0], [9.0]]))(belief)
    PolicyController(policy, torch.tensor([7.0]))(belief)
    PolicyController(policy)(belief)
    assert asked[0].mean.tolist() == [[0.0, 1.0, 7.0], [2.0, 3.0, 8.0], [4.0, 5.0, 9.0]]
    assert asked[0].covariance.shape == (3, 2, 2)
    assert asked[1].mean[:, 2].tolist() == [7.0] * 3 and asked[2] is belief
    with pytest.raises(ValueError, match="2 goals, one for each episode, but 3 beliefs"):
        attach_goal(belief, torch.ones(2, 1))


@pytest.mark.parametrize("make", [lambda: GoalConditioned(DoubleIntegrator(), starts, 0), lambda: CarriedGoalReward(0)])
def test_a_goal_has_a_size(make: object) -> None:
    with pytest.raises(ValueError, match="goal_size must be at least 1, not 0"):
        make()  # type: ignore[operator]
