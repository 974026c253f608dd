"""An agent in LeRobot's loops: what comes in its form is what came from the camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentrl.adapters.lerobot_policy import LeRobotPolicy
from latentrl.agents import LatentAgent, RandomController
from latentrl.evaluation.loading import load_agent
from latentrl.models.spec import DataSpec

RUN = "zoo:pendulum"


def as_lerobot(frames: np.ndarray) -> Tensor:
    """Pictures ``[N, H, W, C]`` uint8 as LeRobot hands them on: float32 in [0, 1], channels first."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous().float() / 255


@pytest.fixture(scope="module")
def agent() -> LatentAgent:
    return load_agent(RUN, agent="policy")


@pytest.fixture
def frames() -> np.ndarray:
    """Every grey level there is, in three steps of four episodes."""
    return np.random.default_rng(0).permutation(np.arange(3 * 4 * 256) % 256).reshape(3, 4, 16, 16, 1).astype(np.uint8)


@pytest.mark.parametrize("key", ["observation.image", "observation.images.front"])
def test_acts_as_the_agent_does(agent: LatentAgent, frames: np.ndarray, key: str) -> None:
    policy = LeRobotPolicy(load_agent(RUN, agent="policy"))
    assert isinstance(policy.eval(), nn.Module)
    for _ in range(2):
        agent.reset()
        policy.reset()
        for frame in frames:
            with torch.inference_mode():
                action = policy.select_action({key: as_lerobot(frame), "task": ["swing"] * 4})
            assert action.dtype == torch.float32 and np.array_equal(action.numpy(), agent.act(frame))
    agent.reset()
    policy.reset()
    chunk = policy.predict_action_chunk({key: (as_lerobot(frames[0]) - 1e-6).clamp(min=0)})
    assert chunk.shape == (4, 1, 1) and np.array_equal(chunk[:, 0].numpy(), agent.act(frames[0]))


class Readings:
    """A filter of two readings that believes what it last saw."""

    spec = DataSpec((2,), "float32", 1, (1.0,))

    def initial_belief(self, observation: Tensor) -> Any:
        raise AssertionError(observation)


def test_readings_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = LatentAgent(Readings(), RandomController(-torch.ones(1), torch.ones(1)))  # type: ignore[arg-type]
    monkeypatch.setattr(agent, "act", lambda observation: 2 * observation[:, :1])
    action = LeRobotPolicy(agent).select_action({"observation.state": torch.tensor([[0.25, -3.0]])})
    assert action.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ({}, "no tensor 'observation.image', but nothing"),
        ({"observation.state": torch.zeros(1, 2)}, "but observation.state; say which key"),
        (dict.fromkeys(("observation.images.a", "observation.images.b"), torch.zeros(1, 1, 16, 16)), "say with key"),
        ({"observation.image": torch.full((1, 1, 16, 16), -1.5)}, "hold -1.5 to -1.5"),
        ({"observation.image": torch.full((1, 1, 16, 16), torch.nan)}, "hold nan"),
        ({"observation.image": torch.zeros(1, 3, 16, 16)}, "has the shape"),
    ],
    ids=["nothing", "readings", "two", "normalised", "nan", "coloured"],
)
def test_other_batches_are_refused(agent: LatentAgent, batch: dict[str, Tensor], problem: str) -> None:
    policy = LeRobotPolicy(agent)
    policy.reset()
    with pytest.raises(ValueError, match=problem):
        policy.select_action(batch)
    for learning in (policy.forward, lambda _: policy.get_optim_params()):
        with pytest.raises(NotImplementedError, match="trained by latentrl"):
            learning({})
