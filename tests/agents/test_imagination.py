"""The imagined environment keeps stable-baselines3's contract and does exactly what the model says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecCheckNan
from torch import Tensor

from latentrl.agents.goal_conditioning import GoalConditioned, goal_features
from latentrl.agents.imagination import Imagination, policy_features, reward_scale, spread
from latentrl.agents.imagined_env import ImaginedEnv
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.policies.gradients import StateGuard
from latentrl.agents.policies.mlp import MLPPolicy
from latentrl.networks.recurrence import PackedGaussian
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief
from tests.imagined import HIGH, LOW, Linear, quadratic, starts


class Breaking(Linear):
    """As the parent, but a first action above 1 gives ``poison``."""

    def __init__(self, poison: float) -> None:
        self.poison = poison

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        step = super().transition(state, action)
        return DiagonalGaussian(torch.where(action[..., :1] > 1.0, self.poison, step.mean), step.variance)


def env(model: Any = None, kind: Any = "mean", drop: float = 0.0, **settings: Any) -> ImaginedEnv:
    imagination = Imagination(model or Linear(), starts, kind, drop)
    return ImaginedEnv(ImaginedEpisodes(imagination, quadratic, LOW, HIGH, **{"count": 4, "length": 5, **settings}))


def act(
    environment: ImaginedEnv, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """One step; `VecEnv.step` is typed for observations of all kinds."""
    environment.step_async(actions)
    return environment.step_wait()


def states_of(environment: ImaginedEnv, observation: np.ndarray) -> Tensor:
    """The true states behind normalised observations."""
    return torch.from_numpy(observation) * environment.episodes.scale + environment.episodes.centre


def test_a_step_is_the_models_transition() -> None:
    environment = env(seed=3)
    state = states_of(environment, environment.reset())
    unit = np.array([[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [0.5, -0.5]], dtype=np.float32)
    action = torch.tensor([[-2.0, 3.0], [2.0, -1.0], [0.0, 1.0], [1.0, 0.0]])
    twin = torch.Generator()
    twin.set_state(environment.episodes.generator.get_state())
    observation, reward, done, infos = act(environment, unit)
    expected = Linear().transition(state, action).rsample(twin)
    assert torch.allclose(states_of(environment, observation), expected, atol=1e-5)
    scaled = quadratic(expected, action) / environment.episodes.reward_scale
    assert np.allclose(reward, scaled, atol=1e-5)
    assert not done.any() and infos == [{}] * 4


def test_observations_are_normalised_by_the_start_states() -> None:
    observation = env(count=2000).reset()
    assert np.abs(observation.mean(0)).max() < 0.1 and np.abs(observation.std(0) - 1).max() < 0.1


def test_shapes_types_and_bounds_are_those_of_the_spaces() -> None:
    environment = VecCheckNan(env(kind="belief", drop=0.3), raise_exception=True)
    observation = environment.reset()
    for _ in range(12):
        assert isinstance(observation, np.ndarray)
        assert observation.shape == (4, 6) and observation.dtype == np.float32
        assert all(environment.observation_space.contains(row) for row in observation)
        actions = np.stack([environment.action_space.sample() for _ in range(4)])
        observation, reward, done, infos = environment.step(actions)
        assert reward.shape == done.shape == (4,) and reward.dtype == np.float32 and done.dtype == bool
        assert len(infos) == 4


def test_truncated_episodes_say_so_and_begin_anew() -> None:
    environment = env()
    environment.reset()
    action = np.zeros((4, 2), dtype=np.float32)
    rewards = []
    for step in range(5):
        observation, reward, done, infos = act(environment, action)
        rewards.append(reward)
        assert done.all() == done.any() == (step == 4)
    for row, info in enumerate(infos):
        assert info["TimeLimit.truncated"] and info["episode"]["l"] == 5
        assert info["terminal_observation"].shape == (3,)
        assert not np.array_equal(info["terminal_observation"], observation[row])
        total = np.sum(rewards, axis=0)[row] * environment.episodes.reward_scale
        assert info["episode"]["r"] == pytest.approx(total, rel=1e-5)
    *_, done, _ = act(environment, action)
    assert not done.any(), "the next episode has a length of its own"


def test_algorithms_bootstrap_across_a_truncation_but_not_across_a_break() -> None:
    """As the replay buffer sees it: `dones` that cut the value off are the breaks alone."""
    environment = env(Breaking(float("nan")))
    algorithm = SAC("MlpPolicy", environment, seed=0, learning_starts=10_000, device="cpu", buffer_size=400)
    algorithm.learn(400)
    buffer = algorithm.replay_buffer
    assert buffer is not None
    broke = buffer.actions[..., 0] > 0.5
    assert np.array_equal(buffer.dones * (1 - buffer.timeouts), broke)
    assert buffer.timeouts.sum() > 0 and np.isfinite(buffer.next_observations).all()


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -1e9, 1e4])
@pytest.mark.parametrize("kind", ["mean", "belief"])
def test_breaking_the_model_never_pays(poison: float, kind: str) -> None:
    environment = env(Breaking(poison), kind, discount=0.9, length=100)
    environment.reset()
    wise, greedy = np.zeros((4, 2), dtype=np.float32), np.zeros((4, 2), dtype=np.float32)
    greedy[:2, 0] = 1.0
    lowest = 0.0
    for _ in range(20):
        lowest = min(lowest, act(environment, wise)[1].min())
    observation, reward, done, infos = act(environment, greedy)
    assert done.tolist() == [True, True, False, False]
    assert (reward[:2] <= lowest / (1 - 0.9)).all() and np.isfinite(reward).all()
    assert np.isfinite(observation).all()
    for info in infos[:2]:
        assert not info["TimeLimit.truncated"] and np.isfinite(info["terminal_observation"]).all()


@pytest.mark.parametrize("kind", ["mean", "belief"])
def test_the_seed_decides_everything(kind: str) -> None:
    def played(environment: ImaginedEnv, seed: int | None = None) -> np.ndarray:
        if seed is not None:
            environment.seed(seed)
        seen = [environment.reset()]
        for _ in range(7):
            seen.append(act(environment, np.full((4, 2), 0.3, dtype=np.float32))[0])
        return np.stack(seen)

    before = torch.random.get_rng_state()
    assert np.array_equal(played(env(kind=kind, seed=1)), played(env(kind=kind, seed=1)))
    assert not np.array_equal(played(env(kind=kind, seed=1)), played(env(kind=kind, seed=2)))
    environment = env(kind=kind)
    assert np.array_equal(played(environment, 7), played(environment, 7))
    assert not np.array_equal(played(environment), played(environment))
    assert torch.equal(before, torch.random.get_rng_state())


def test_attributes_and_wrappers_are_answered_for_every_environment() -> None:
    environment = env()
    assert environment.get_attr("length") == [5] * 4 and environment.get_attr("length", [0, 2]) == [5] * 2
    assert environment.env_is_wrapped(VecCheckNan) == [False] * 4
    assert environment.has_attr("discount") and not environment.has_attr("altitude")


def test_beliefs_are_the_models_own_and_dropped_frames_widen_them() -> None:
    model, generator = Linear(), torch.Generator().manual_seed(0)
    imagination = Imagination(model, starts, "belief", drop=0.5)
    episodes = imagination.start(500, generator)
    action = torch.ones(500, 2)
    first = episodes.belief
    assert first is not None and torch.allclose(first.covariance[:, 0, 0], torch.tensor(model.blur)), "a frame arrived"
    after = imagination.step(episodes, action, generator).belief
    assert after is not None
    blind = model.filter(first, action, None)
    dropped = (after.mean == blind.mean).all(-1)
    assert 200 < dropped.sum() < 300
    assert torch.equal(after.covariance[dropped], blind.covariance[dropped])
    assert (after.covariance[~dropped][:, 0, 0] < blind.covariance[0, 0, 0]).all()


def test_a_belief_is_as_wrong_as_it_says() -> None:
    """Imagined errors, normalised by the belief's own spread, have unit variance: the imagination is honest."""
    generator = torch.Generator().manual_seed(0)
    imagination = Imagination(Linear(), starts, "belief", drop=0.3)
    episodes = imagination.start(3000, generator)
    for _ in range(10):
        episodes = imagination.step(episodes, torch.randn(3000, 2, generator=generator), generator)
    assert episodes.belief is not None
    error = (episodes.state - episodes.belief.mean) / episodes.belief.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert error.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_features_of_a_belief() -> None:
    belief = Belief(torch.tensor([[1.0, 2.0]]), torch.tensor([[[4.0, 0.5], [0.5, 0.0]]]))
    assert torch.equal(policy_features(belief, "mean"), belief.mean)
    assert torch.equal(policy_features(belief.mean, "mean"), belief.mean)
    features = policy_features(belief, "belief")
    assert torch.allclose(features[0, :3], torch.tensor([1.0, 2.0, math.log(2.0)]))
    assert features.isfinite().all(), "a dimension without noise has a log too"
    with pytest.raises(TypeError, match="belief"):
        policy_features(belief.mean, "belief")


def test_states_under_way_are_where_random_actions_lead() -> None:
    starts = torch.zeros(210, 3)
    imagination = Imagination(Linear(), lambda n, g: torch.zeros(n, 3))
    seen = imagination.under_way(starts, LOW, HIGH, torch.Generator().manual_seed(0), steps=20)
    assert seen.shape == starts.shape
    steps = torch.arange(210) % 21
    assert torch.equal(seen[steps == 0], starts[steps == 0])
    noise = (1 - 0.81 ** steps[steps > 0]) / (1 - 0.81) * Linear.noise
    pushed = Linear.control.square() @ ((HIGH - LOW).square() / 12)
    drift = (1 - 0.9 ** steps[steps > 0]).unsqueeze(1) * 10 * (Linear.control @ ((LOW + HIGH) / 2))
    expected = noise.unsqueeze(1) * (1 + pushed / Linear.noise)
    normalised = (seen[steps > 0] - drift) / expected.sqrt()
    assert float(normalised.square().mean()) == pytest.approx(1, rel=0.15)


class Remembering(Linear):
    """The third dimension is a memory: empty at first, then the sum of the first two; a fourth is always 5."""

    latent_size = 2

    def transition(self, state: Tensor, action: Tensor) -> Any:
        step = super().transition(state[..., :3], action)
        return PackedGaussian(
            DiagonalGaussian(step.mean[..., :2], step.variance[..., :2]),
            torch.cat((state[..., :2].sum(-1, keepdim=True), state[..., 3:]), -1),
        )


def empty_memories(count: int, generator: torch.Generator) -> Tensor:
    return torch.cat((starts(count, generator)[:, :2], torch.zeros(count, 1), torch.full((count, 1), 5.0)), 1)


def test_a_memory_that_starts_empty_is_scaled_by_what_it_becomes() -> None:
    """By the start states' spread, none, every step would lead out of the sane region, and nothing could be learned."""
    imagination, g = Imagination(Remembering(), empty_memories), torch.Generator().manual_seed(0)
    states = imagination.typical_states(1024, LOW, HIGH, g)
    centre, scale = imagination.feature_scale(states, LOW, HIGH, g)
    assert float(states[:, 2].std()) > 1 and scale[2] == states[:, 2].std()
    guard = StateGuard(*imagination.sane_region(states, 20.0), spread(states), 10.0)
    before = empty_memories(256, g)
    after = Remembering().transition(before, torch.zeros(256, 2)).rsample(g)
    assert torch.equal(guard(before, after), after)
    # What never varied in imagination says nothing, whatever it is in reality.
    policy = MLPPolicy(LOW, HIGH, centre, scale)
    other = after.clone()
    other[:, 3] = torch.randn(256)
    assert torch.equal(policy(after), policy(other)) and not torch.equal(policy(after), policy(before))


def test_a_memory_may_fill_up_further_than_random_actions_fill_it() -> None:
    """Where episodes were ended by it, SAC reached none of a reacher's poses in a KVAE."""
    imagination, g = Imagination(Remembering(), empty_memories), torch.Generator().manual_seed(0)
    states = imagination.typical_states(1024, LOW, HIGH, g)
    low, high = imagination.sane_region(states, 20.0)
    middle, reach = states[:, :2].mean(0), 20 * spread(states)[:2]
    assert torch.equal(low[:2], middle - reach) and torch.equal(high[:2], middle + reach)
    assert torch.equal(-low[2:], high[2:]) and high[2:].isinf().all()
    guard = StateGuard(low, high, spread(states), 10.0)
    before, after = empty_memories(3, g), empty_memories(3, g)
    after[0, 2], after[1, 2], after[2, 0] = 1e6, torch.nan, high[0] + 1
    assert torch.equal(guard(before, after), torch.stack([after[0], before[1], before[2]]))


class Long(Linear):
    """Two dimensions and 18 of memory, what was last done."""

    latent_size = 2

    def transition(self, state: Tensor, action: Tensor) -> Any:
        step = super().transition(torch.nn.functional.pad(state[..., :2], (0, 1)), action)
        first = DiagonalGaussian(step.mean[..., :2], step.variance[..., :2])
        return PackedGaussian(first, action.repeat_interleave(9, -1))


@pytest.mark.parametrize("goal_size", [0, 1])
def test_a_memory_counts_as_no_more_than_the_rest_together(goal_size: int) -> None:
    """In a KVAE, whose memory has 128 numbers beside four, SAC came to 31 of 100 of a reacher's poses; so to 87."""

    def begun(count: int, generator: torch.Generator) -> Tensor:
        empty = torch.nn.functional.pad(starts(count, generator)[:, :2], (0, 18))
        return torch.cat((empty, starts(count, generator)[:, :goal_size]), 1)

    model: Any = GoalConditioned(Long(), begun, goal_size) if goal_size else Long()
    imagination, g = Imagination(model, begun), torch.Generator().manual_seed(0)
    states = imagination.typical_states(1024, LOW, HIGH, g)
    centre, scale = imagination.feature_scale(states, LOW, HIGH, g)
    variances = ((goal_features(states, goal_size) - centre) / scale).var(0)
    assert torch.allclose(variances[2:20], torch.full((18,), 1 / 9))
    assert torch.allclose(variances[:2], torch.ones(2)) and torch.allclose(variances[20:], torch.ones(goal_size))
    low, high = imagination.sane_region(states, 20.0)
    assert high[2:20].isinf().all() and low[2:20].isinf().all()
    assert high[:2].isfinite().all() and high[20:].isfinite().all()


@pytest.mark.parametrize("goal_size", [0, 2])
def test_what_is_alike_in_all_start_states_is_no_memory(goal_size: int) -> None:
    model: Any = GoalConditioned(Linear(), starts, goal_size) if goal_size else Linear()

    def begun(count: int, generator: torch.Generator) -> Tensor:
        somewhere = starts(count, generator)
        return torch.cat((torch.zeros(count, 2), somewhere[:, 2:], torch.zeros(count, goal_size)), 1)

    imagination, g = Imagination(model, begun), torch.Generator().manual_seed(0)
    low, high = imagination.sane_region(imagination.typical_states(1024, LOW, HIGH, g), 20.0)
    assert low.isfinite().all() and high.isfinite().all()


def test_scales_never_vanish() -> None:
    constant = torch.ones(10, 2)
    assert torch.equal(spread(constant), torch.ones(2))
    constant[:, 0] = torch.arange(10)
    assert spread(constant)[1] == pytest.approx(0.01 * constant[:, 0].std().item())
    assert reward_scale(torch.zeros(5)) == 1.0 and reward_scale(torch.full((5,), -3.0)) == 3.0


def test_what_cannot_be_imagined_is_refused() -> None:
    class Blind:
        def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
            return Linear().transition(state, action)

    with pytest.raises(ValueError, match="Blind imagines no beliefs"):
        Imagination(Blind(), starts, "belief")
    with pytest.raises(ValueError, match="belief"):
        Imagination(Linear(), starts, "mean", drop=0.3)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        Imagination(Linear(), starts, "belief", drop=1.0)
    with pytest.raises(ValueError, match="mean or belief"):
        Imagination(Linear(), starts, "all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is the model trained"):
        ImaginedEpisodes(Imagination(Linear(), lambda n, g: torch.full((n, 3), torch.nan)), quadratic, LOW, HIGH)
