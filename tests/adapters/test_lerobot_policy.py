"""An agent in LeRobot's loops: what comes in its form is what came from the camera."""

from __future__ import annotations

import abc
import inspect
from copy import copy
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


class PreTrainedPolicy(nn.Module, abc.ABC):
    """What LeRobot 0.6.1 asks of a policy (lerobot/policies/pretrained.py): the methods, as their callers call them."""

    config_class: type
    name: str

    @abc.abstractmethod
    def get_optim_params(self) -> dict[str, Any]: ...

    @abc.abstractmethod
    def reset(self) -> Any: ...

    def supports_rtc(self) -> bool:
        return False

    @abc.abstractmethod
    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Any] | None]: ...

    @abc.abstractmethod
    def predict_action_chunk(self, batch: dict[str, Tensor], **kwargs: Any) -> Tensor: ...

    @abc.abstractmethod
    def select_action(self, batch: dict[str, Tensor], **kwargs: Any) -> Tensor: ...


def preprocess_observation(observations: dict[str, Any]) -> dict[str, Any]:
    """Of a vector environment, as `lerobot-eval` hands it on (lerobot/envs/utils.py)."""
    found = {"observation.image": as_lerobot(observations["pixels"])}
    return {**found, "task": [""] * len(observations["pixels"])}


def prepare_observation_for_inference(observation: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Of a robot, as `lerobot-record` and `lerobot-rollout` hand it on (lerobot/policies/utils.py)."""
    for name in observation:
        observation[name] = torch.from_numpy(observation[name])
        if "image" in name:
            if observation[name].dtype == torch.uint8:
                observation[name] = observation[name].type(torch.float32) / 255
            observation[name] = observation[name].permute(2, 0, 1).contiguous()
        observation[name] = observation[name].unsqueeze(0).to(device)
    return {**observation, "task": "", "robot_type": ""}


def test_it_has_all_that_lerobot_asks_a_policy_for(agent: LatentAgent) -> None:
    policy = LeRobotPolicy(agent)
    for name, asked in inspect.getmembers(PreTrainedPolicy, inspect.isfunction):
        if name in vars(PreTrainedPolicy) and not name.startswith("_"):
            own = inspect.signature(getattr(LeRobotPolicy, name)).parameters
            assert [(one.name, one.kind) for one in inspect.signature(asked).parameters.values()] == [
                (one.name, one.kind) for one in own.values()
            ], name
    assert set(PreTrainedPolicy.__annotations__) <= set(dir(LeRobotPolicy)) and not policy.supports_rtc()
    # `eval_policy` asks for this; an abstract class takes others as its own.
    assert not isinstance(policy, PreTrainedPolicy)
    PreTrainedPolicy.register(LeRobotPolicy)
    assert isinstance(policy, PreTrainedPolicy)
    config = policy.config
    assert isinstance(config, policy.config_class) and (config.device, config.use_amp) == ("cpu", False)
    assert {key: (one.type, one.shape) for key, one in config.input_features.items()} == {
        "observation.image": ("VISUAL", (1, 16, 16))
    }
    assert config.image_features == config.input_features and config.robot_state_feature is None
    assert config.action_feature is not None
    assert (config.action_feature.type, config.action_feature.shape) == ("ACTION", (1,))


def test_the_loops_of_lerobot_act_as_the_agent_does(agent: LatentAgent, frames: np.ndarray) -> None:
    policy, device = LeRobotPolicy(load_agent(RUN, agent="policy")), torch.device("cpu")
    # rollout() of lerobot-eval: a vector environment, actions [N, Du] for it.
    agent.reset()
    policy.reset()
    for frame in frames:
        batch = preprocess_observation({"pixels": frame})
        with torch.inference_mode():
            action = policy.select_action(batch)
        numbers = action.to("cpu").numpy()
        assert numbers.ndim == 2 and np.array_equal(numbers, agent.act(frame))
    # SyncInferenceEngine of lerobot-rollout: one robot, [Du] for it; readings of its joints come along.
    agent.reset()
    policy.reset()
    for frame in frames[:, 0]:
        given = copy({"observation.images.front": frame, "observation.state": np.zeros(6, np.float32)})
        with torch.inference_mode():
            action = policy.select_action(prepare_observation_for_inference(given, device))
        numbers = action.squeeze(0).cpu().numpy()
        assert np.array_equal(numbers, agent.act(frame))


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
    config = LeRobotPolicy(agent).config
    assert config.robot_state_feature is not None and config.robot_state_feature.shape == (2,)
    assert list(config.input_features) == ["observation.state"] and not config.image_features
    assert list(LeRobotPolicy(agent, "observation.environment_state").config.input_features) == [
        "observation.environment_state"
    ]


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
