from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.agents import LatentAgent, PlannerController, PolicyController, RandomController
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Agent, Belief, Dynamics, Reward


class Recorder:
    """A filter that writes down what it is asked; its belief's mean is the mean observation."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        self.calls: list[tuple[str, Tensor | None, Tensor | None]] = []
        self.dtype = dtype

    def initial_belief(self, observation: Tensor) -> Belief:
        self.calls.append(("initial", None, observation))
        return self._belief(observation)

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        self.calls.append(("filter", action.clone(), observation))
        if observation is None:
            return Belief(belief.mean + 1, belief.covariance + torch.eye(3, dtype=self.dtype))
        return self._belief(observation)

    def _belief(self, observation: Tensor) -> Belief:
        mean = observation.flatten(1).to(self.dtype).mean(1, keepdim=True).expand(-1, 3)
        return Belief(mean, torch.eye(3, dtype=self.dtype).expand(len(mean), 3, 3))


def images(value: int, count: int = 2) -> np.ndarray:
    return np.full((count, 4, 4, 1), value, dtype=np.uint8)


def first(belief: Belief) -> Tensor:
    """A policy that applies the first dimension of the mean."""
    return belief.mean[:, :1]


def belief(count: int) -> Belief:
    return Belief(torch.zeros(count, 3), torch.eye(3).expand(count, 3, 3))


def test_filters_with_the_last_applied_action() -> None:
    model = Recorder()
    agent = LatentAgent(model, PolicyController(lambda belief: 0.5 * belief.mean[:, :1]))
    assert isinstance(agent, Agent)
    actions = [agent.act(images(value)) for value in (2, 4, 8)]
    assert [kind for kind, _, _ in model.calls] == ["initial", "filter", "filter"]
    for (_, used, _), applied in zip(model.calls[1:], actions[:-1], strict=True):
        assert used is not None and np.array_equal(used.numpy(), applied)
    assert [action.tolist() for action in actions] == [[[1.0], [1.0]], [[2.0], [2.0]], [[4.0], [4.0]]]
    assert all(action.dtype == np.float32 for action in actions)


def test_observations_reach_the_model_raw_and_states_the_controller_in_float32() -> None:
    model, seen = Recorder(), []

    def policy(belief: Belief) -> Tensor:
        seen.append(belief.mean.dtype)
        return first(belief)

    LatentAgent(model, PolicyController(policy)).act(images(200))
    assert seen == [torch.float32]
    observation = model.calls[0][2]
    assert observation is not None and observation.dtype == torch.uint8


def test_the_controller_gets_the_whole_belief_in_float32() -> None:
    got: list[Belief] = []

    class Keeper(PolicyController):
        def __call__(self, belief: Belief) -> Tensor:
            got.append(belief)
            return super().__call__(belief)

    agent = LatentAgent(Recorder(), Keeper(first))
    agent.act(images(7))
    assert got[0].mean.dtype == got[0].covariance.dtype == torch.float32
    assert got[0].mean.tolist() == [[7.0] * 3] * 2 and torch.equal(got[0].covariance[1], torch.eye(3))
    assert agent.belief.mean.dtype == torch.float64, "the agent itself keeps the filter's precision"


def test_where_no_frame_arrived_the_belief_is_predicted_in_mean_and_covariance() -> None:
    model = Recorder()
    agent = LatentAgent(model, PolicyController(first))
    agent.act(images(2, 3))
    agent.act(images(50, 3), np.array([True, False, True]))
    assert agent.belief.mean[:, 0].tolist() == [50.0, 3.0, 50.0]
    assert agent.belief.covariance[:, 0, 0].tolist() == [1.0, 2.0, 1.0]
    agent.act(images(90, 3), np.zeros(3, dtype=bool))
    assert agent.belief.mean[:, 0].tolist() == [51.0, 4.0, 51.0]
    assert agent.belief.covariance[:, 0, 0].tolist() == [2.0, 3.0, 2.0]
    assert model.calls[-1][2] is None and len(model.calls) == 4, "a frame that nobody got was shown to the model"


def test_what_stands_in_place_of_a_lost_frame_does_not_matter() -> None:
    beliefs = []
    for content in (0.0, float("nan")):
        agent = LatentAgent(Recorder(), PolicyController(first))
        agent.act(np.ones((2, 3), dtype=np.float32))
        observation = np.ones((2, 3), dtype=np.float32)
        observation[1] = content
        agent.act(observation, np.array([True, False]))
        beliefs.append(agent.belief)
    assert torch.equal(beliefs[0].mean, beliefs[1].mean) and beliefs[0].mean.isfinite().all()


def test_frames_that_all_arrive_cost_one_call_and_are_the_default() -> None:
    model = Recorder()
    agent = LatentAgent(model, PolicyController(first))
    agent.act(images(1), np.ones(2, dtype=bool))
    agent.act(images(5), np.ones(2, dtype=bool))
    agent.act(images(5))
    assert [kind for kind, _, _ in model.calls] == ["initial", "filter", "filter"]
    assert all(observation is not None for _, _, observation in model.calls)


def test_an_episode_cannot_begin_without_a_frame() -> None:
    agent = LatentAgent(Recorder(), PolicyController(first))
    with pytest.raises(ValueError, match="first frame"):
        agent.act(images(1), np.array([True, False]))
    with pytest.raises(ValueError, match="shape"):
        agent.act(images(1), np.ones(3, dtype=bool))


def test_what_the_caller_does_to_an_action_or_observation_changes_nothing() -> None:
    model = Recorder()
    agent = LatentAgent(model, PolicyController(first))
    action = agent.act(images(3))
    action[:] = 99
    agent.act(images(3))
    used = model.calls[1][1]
    assert used is not None and used.tolist() == [[3.0], [3.0]]


def test_reset_forgets_belief_and_action() -> None:
    model = Recorder()
    agent = LatentAgent(model, PolicyController(first))
    agent.act(images(1))
    agent.act(images(1))
    agent.reset()
    with pytest.raises(RuntimeError, match="belief"):
        _ = agent.belief
    agent.act(images(5, count=7))
    assert model.calls[-1][0] == "initial"
    assert agent.belief.mean.shape == (7, 3)


class CountingPlanner:
    """Plans 1, 2, 3 and notes the warm start."""

    def __init__(self) -> None:
        self.warm_starts: list[Tensor | None] = []
        self.numbers: list[float] = []

    def plan(
        self,
        dynamics: Dynamics,
        reward: Reward,
        state: Tensor,
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        assert generator is not None
        self.warm_starts.append(warm_start)
        self.numbers.append(torch.rand((), generator=generator).item())
        return torch.tensor([1.0, 2.0, 3.0])[None, :, None].expand(len(state), 3, 1)


class Still:
    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state, torch.ones_like(state))


def test_the_planner_applies_the_first_action_and_starts_from_the_shifted_plan() -> None:
    planner = CountingPlanner()
    controller = PlannerController(planner, Still(), lambda state, action: state[..., 0])
    for _ in range(2):
        assert controller(belief(2)).tolist() == [[1.0], [1.0]]
    first, second = planner.warm_starts
    assert first is None
    assert second is not None and second[0, :, 0].tolist() == [2.0, 3.0, 3.0]
    controller.reset(0)
    controller(belief(2))
    assert planner.warm_starts[2] is None
    assert planner.numbers[2] == planner.numbers[0] != planner.numbers[1]


def test_random_actions_fill_the_range_and_repeat_under_a_seed() -> None:
    low, high = torch.tensor([-7.0, 1.0]), torch.tensor([7.0, 2.0])
    controller = RandomController(low, high)
    controller.reset(4)
    first = controller(belief(2000))
    controller.reset(4)
    assert torch.equal(first, controller(belief(2000)))
    assert (first >= low).all() and (first <= high).all()
    assert torch.allclose(first.mean(0), (low + high) / 2, atol=0.3)
    assert (first.amax(0) > high - 0.1).all() and (first.amin(0) < low + 0.1).all()
