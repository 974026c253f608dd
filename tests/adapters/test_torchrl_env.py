"""Imagined episodes as TorchRL has them: its own checker is the judge."""

from __future__ import annotations

import pytest
import torch

from latentrl.agents.imagination import Imagination, PolicyInput
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from tests.imagined import HIGH, LOW, Linear, quadratic, starts

pytest.importorskip("torchrl")
from torchrl.envs.utils import check_env_specs

from latentrl.adapters.torchrl_env import ImaginedTorchRLEnv

COUNT = 4


def episodes(sees: PolicyInput = "mean") -> ImaginedEpisodes:
    return ImaginedEpisodes(Imagination(Linear(), starts, sees), quadratic, LOW, HIGH, COUNT, length=5)


@pytest.mark.parametrize("sees", ["mean", "belief"])
def test_passes_the_checker_of_torchrl(sees: PolicyInput) -> None:
    check_env_specs(ImaginedTorchRLEnv(episodes(sees)), seed=0)


def test_a_rollout_is_what_the_episodes_say() -> None:
    env, twin = ImaginedTorchRLEnv(episodes()), episodes()
    env.set_seed(3)
    twin.seeded(3)
    torch.manual_seed(0)
    found = env.rollout(12, break_when_any_done=False)
    observation = twin.start()
    for step in range(12):
        now = found[:, step]
        assert torch.equal(now["observation"], observation)
        told = twin.step(now["action"])
        assert torch.equal(now["next", "observation"], told.observation)
        assert torch.equal(now["next", "reward"][:, 0], told.reward)
        assert torch.equal(now["next", "truncated"][:, 0], told.truncated)
        ended = told.terminated | told.truncated
        assert torch.equal(now["next", "done"][:, 0], ended)
        observation = twin.restart(ended) if ended.any() else told.observation
    assert found["next", "truncated"].sum() == 2 * COUNT


def test_a_mask_begins_some_anew() -> None:
    env = ImaginedTorchRLEnv(episodes())
    before = env.reset()
    which = torch.tensor([[True], [False], [True], [False]])
    after = env.reset(before.clone().set("_reset", which))
    assert torch.equal((after["observation"] == before["observation"]).all(-1), ~which[:, 0])
