"""Imagined episodes as Gymnasium has them: many at once do what its own vector environments make of single ones."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from torch import Tensor

from latentrl.adapters import ImaginedSingleEnv, ImaginedVectorEnv
from latentrl.agents.imagination import Imagination, PolicyInput
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.types import Belief
from tests.imagined import HIGH, LOW, Linear, quadratic, starts

COUNT, LENGTH = 3, 4


class Exact(Linear):
    """Without noise, and broken by the largest first action."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = super().transition(state, action).mean
        return DiagonalGaussian(torch.where(action[..., :1] >= 2.0, torch.nan, mean), torch.zeros_like(mean))

    def emission(self, state: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(state, torch.zeros_like(state))


def alike(count: int, generator: torch.Generator) -> Tensor:
    return torch.tensor([3.0, -2.0, 1.0]).expand(count, 3)


def bounded(state: Tensor, action: Tensor) -> Tensor:
    """Never below what the typical states say, so that no episode lowers what another one pays for breaking."""
    return quadratic(state, action).clamp(min=-1.0)


def exact(count: int, sees: PolicyInput = "mean") -> ImaginedEpisodes:
    return ImaginedEpisodes(Imagination(Exact(), alike, sees), bounded, LOW, HIGH, count, LENGTH)


def noisy(count: int = COUNT, **settings: Any) -> ImaginedEpisodes:
    return ImaginedEpisodes(Imagination(Linear(), starts), quadratic, LOW, HIGH, count, **{"length": 3, **settings})


def sampled(steps: int) -> np.ndarray:
    """Actions ``[steps, COUNT, 2]``, one in ten of which breaks the model."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.0, 0.9, (steps, COUNT, 2)).astype(np.float32)
    actions[rng.random((steps, COUNT)) < 0.1, 0] = 1.0
    return actions


@pytest.mark.parametrize(("mode", "sees"), [("NextStep", "mean"), ("SameStep", "mean"), ("NextStep", "belief")])
def test_many_are_what_gymnasium_makes_of_single_ones(mode: str, sees: PolicyInput) -> None:
    many = ImaginedVectorEnv(exact(COUNT, sees), mode)
    one = SyncVectorEnv([partial(ImaginedSingleEnv, exact(1, sees)) for _ in range(COUNT)], autoreset_mode=mode)
    assert many.metadata["autoreset_mode"] is one.metadata["autoreset_mode"] is AutoresetMode(mode)
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space", "num_envs"):
        assert getattr(many, name) == getattr(one, name)
    told: list[tuple[Any, Any]] = [(many.reset(seed=0), one.reset(seed=0))]
    told += [(many.step(action), one.step(action)) for action in sampled(24)]
    ends = np.zeros(2, dtype=int)
    for ours, theirs in told:
        assert set(ours[-1]) == set(theirs[-1])
        assert_alike(ours, theirs)
        if len(ours) > 2:
            ends += [ours[2].sum(), ours[3].sum()]
    assert ends.min() > 3, "episodes of both ends, at different times"


def assert_alike(ours: Any, theirs: Any) -> None:
    """Equal in structure, in numbers to rounding, and float32 where Gymnasium has float64 of one number an episode."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_alike(ours[key], theirs[key])
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_alike(mine, other)
    elif ours.dtype == object:
        assert [value is None for value in ours] == [value is None for value in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            if mine is not None:
                assert_alike(mine, other)
    else:
        assert ours.shape == theirs.shape and ours.dtype in (np.float32, bool)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_of_one_sort_of_noise_many_are_as_single_ones_with_the_same_seed() -> None:
    many, single = ImaginedVectorEnv(noisy(1)), ImaginedSingleEnv(noisy(1))
    observation, info = single.reset(seed=4)
    assert np.array_equal(many.reset(seed=4)[0][0], observation) and info["state"].shape == (3,)
    action = np.array([0.3, -0.2], np.float32)
    for _ in range(3):
        ours, theirs = many.step(action[None]), single.step(action)
        assert np.array_equal(ours[0][0], theirs[0]) and ours[1][0] == theirs[1]
    assert ours[3][0] and theirs[3]


def test_disabled_begins_anew_what_a_mask_says() -> None:
    envs = ImaginedVectorEnv(noisy(), "Disabled")
    before = envs.reset(seed=1)[0]
    for _ in range(3):
        last, *_, truncated, _ = envs.step(np.zeros((COUNT, 2), np.float32))
    assert truncated.all()
    with pytest.raises(ValueError, match=r"episodes \[0, 1, 2\] have ended"):
        envs.step(np.zeros((COUNT, 2), np.float32))
    mask = np.array([True, False, True])
    observation, info = envs.reset(options={"reset_mask": mask})
    assert np.array_equal((observation == last).all(1), ~mask) and np.array_equal(info["_state"], mask)
    assert not (observation == before).all(1).any()
    with pytest.raises(ValueError, match=r"episodes \[1\] have ended"):
        envs.step(np.zeros((COUNT, 2), np.float32))
    envs.reset(options={"reset_mask": ~mask})
    assert not envs.step(np.zeros((COUNT, 2), np.float32))[3].any()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_seed_decides_everything(mode: str) -> None:
    def played(envs: ImaginedVectorEnv, seed: int | None) -> list[Any]:
        return [envs.reset(seed=seed), *(envs.step(action) for action in sampled(7))]

    assert data_equivalence(played(ImaginedVectorEnv(noisy(), mode), 5), played(ImaginedVectorEnv(noisy(), mode), 5))
    envs = ImaginedVectorEnv(noisy(), mode)
    first = played(envs, 5)
    assert envs.np_random_seed == 5 and not data_equivalence(first, played(envs, None))
    assert data_equivalence(first, played(envs, 5))


def test_what_is_given_away_is_not_changed_later() -> None:
    envs = ImaginedVectorEnv(noisy(), "SameStep")
    envs.reset(seed=0)
    told = [envs.step(action) for action in sampled(9)]
    again = ImaginedVectorEnv(noisy(), "SameStep")
    again.reset(seed=0)
    for step, action in zip(told, sampled(9), strict=True):
        assert data_equivalence(step, again.step(action), exact=True)


def test_gymnasiums_wrappers_count_episodes() -> None:
    envs = RecordEpisodeStatistics(ImaginedVectorEnv(noisy(), "SameStep"))
    envs.reset(seed=0)
    rewards = []
    for action in sampled(3):
        _, reward, *_, info = envs.step(action)
        rewards.append(reward)
    assert info["episode"]["l"].tolist() == [3] * COUNT
    np.testing.assert_allclose(info["episode"]["r"], np.sum(rewards, 0), rtol=1e-5)


def test_a_single_one_passes_the_checker_of_gymnasium() -> None:
    gymnasium.register("imagined/Linear-v0", lambda **kwargs: ImaginedSingleEnv(noisy(1)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Latent states have no bounds.
            warnings.filterwarnings("ignore", message=".*Box observation space .*infinity")
            check_env(gymnasium.make("imagined/Linear-v0").unwrapped)
    finally:
        del gymnasium.registry["imagined/Linear-v0"]


def test_an_actor_acts_on_beliefs_as_on_observations() -> None:
    episodes = noisy()
    weights = torch.tensor([[0.5, 0.0], [0.0, 3.0], [0.0, 0.0]])
    policy, state = episodes.policy(lambda features: features @ weights), episodes.state
    expected = episodes.in_units(episodes.observed() @ weights)
    assert torch.allclose(policy(state), expected)
    assert torch.allclose(policy(Belief(state, torch.eye(3).expand(COUNT, 3, 3))), expected)
    far = policy(torch.full((1, 3), 1e6))[0]
    assert far.tolist() == [HIGH[0], HIGH[1]]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda envs: envs.step(np.zeros((COUNT, 3), np.float32)), r"\(3, 3\): give \(3, 2\)"),
        (lambda envs: envs.step(np.zeros(2, np.float32)), r"\(2,\): give \(3, 2\)"),
        (lambda envs: envs.reset(options={"angle": 1.0}), "only 'reset_mask' is known"),
        (lambda envs: envs.reset(options={"reset_mask": np.ones(4, bool)}), "give 3 truth values"),
        (lambda envs: envs.reset(options={"reset_mask": np.ones(COUNT)}), "give 3 truth values"),
        (lambda envs: envs.reset(options={"reset_mask": np.zeros(COUNT, bool)}), "at least one of them True"),
        (lambda envs: ImaginedSingleEnv(envs.episodes), "there are 3 imagined episodes"),
        (lambda envs: ImaginedVectorEnv(envs.episodes, "Never"), "Never"),
        (lambda envs: noisy(0), "count must be at least 1"),
        (lambda envs: noisy(length=0), "length must be at least 1"),
    ],
)
def test_bad_input_is_named(spoil: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        spoil(ImaginedVectorEnv(noisy()))
