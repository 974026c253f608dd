"""What an agent accepts as an observation, and what it refuses by name."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.agents import LatentAgent, PolicyController
from latentrl.agents.observing import Expected
from latentrl.support.errors import UserError
from latentrl.types import Belief


class Watcher:
    """A filter that says what it observes, and whose belief's mean is the mean of the frame."""

    def __init__(self, shape: tuple[int, ...] = (4, 6, 3), dtype: str = "uint8") -> None:
        self.spec = SimpleNamespace(observation_shape=shape, observation_dtype=dtype)
        self.frames: list[Tensor] = []

    def initial_belief(self, observation: Tensor) -> Belief:
        self.frames.append(observation)
        mean = observation.flatten(1).double().mean(1, keepdim=True).expand(-1, 2)
        return Belief(mean, torch.eye(2).expand(len(mean), 2, 2))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        return belief if observation is None else self.initial_belief(observation)


def agent_of(model: Watcher) -> LatentAgent:
    return LatentAgent(model, PolicyController(lambda belief: belief.mean))


def frames(count: int, shape: tuple[int, ...] = (4, 6, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def test_one_frame_gives_one_action_and_that_of_a_batch_of_one() -> None:
    seen = frames(3)
    alone, batched = agent_of(Watcher()), agent_of(Watcher())
    for frame in seen:
        action = alone.act(frame)
        assert action.shape == (2,) and action.dtype == np.float32
        assert np.array_equal(action[None], batched.act(frame[None]))
    assert alone.act(frames(1)[0], seen=False).tolist() == alone.act(frames(1)[0], seen=np.array([False])).tolist()
    assert alone.act(frames(1)[0], seen=True).shape == (2,)


def test_a_grey_picture_needs_no_channel_axis() -> None:
    grey, model = frames(5, (4, 6)), Watcher((4, 6, 1))
    agent = agent_of(model)
    assert agent.act(grey).shape == (5, 2)
    assert torch.equal(model.frames[0], torch.from_numpy(grey)[..., None])
    agent.reset()
    assert agent.act(grey[0]).shape == (2,)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_readings_are_cast_to_the_data_s_dtype(dtype: Any) -> None:
    model, readings = Watcher((3,), "float32"), np.array([[1.0, -2.0, 3.0]])
    agent_of(model).act(readings.astype(dtype))
    assert model.frames[0].dtype == torch.float32
    assert model.frames[0].tolist() == readings.tolist()
    agent_of(model).act([1.0, -2.0, 3.0])  # type: ignore[arg-type]
    assert torch.equal(model.frames[1], model.frames[0])


BAD: list[tuple[tuple[int, ...], str, Any, str]] = [
    ((4, 6, 3), "uint8", np.zeros((4, 6, 3)), "float64.*255"),
    ((4, 6, 3), "uint8", np.zeros((2, 4, 6, 3), np.float32), "float32.*255"),
    ((4, 6, 3), "uint8", np.zeros((4, 6, 3), np.uint16), "uint16.*8 bits"),
    ((4, 6, 3), "uint8", np.zeros((4, 6, 3), np.int64), "int64.*astype"),
    ((4, 6, 3), "uint8", np.zeros((4, 6, 3), bool), "bool"),
    ((4, 6, 3), "uint8", np.zeros((3, 4, 6), np.uint8), r"\(3, 4, 6\).*channels come last"),
    ((4, 6, 3), "uint8", np.zeros((8, 3, 4, 6), np.uint8), "channels come last"),
    ((4, 6, 3), "uint8", np.zeros((6, 4, 3), np.uint8), r"\(6, 4, 3\).*\(4, 6, 3\)"),
    ((4, 6, 3), "uint8", np.zeros((1, 1, 4, 6, 3), np.uint8), r"\(1, 1, 4, 6, 3\)"),
    ((4, 6, 3), "uint8", np.zeros((4, 6), np.uint8), r"\(4, 6\)"),
    ((4, 6, 3), "uint8", np.zeros((0, 4, 6, 3), np.uint8), "empty"),
    ((4, 6, 3), "float32", np.zeros((4, 6, 3), np.uint8), "uint8.*units of the data"),
    ((3,), "float32", np.zeros(4, np.float32), r"\(4,\).*\(3\)"),
    ((3,), "float32", np.array(["a", "b", "c"]), "numbers"),
    ((3,), "float32", np.array([0.0, np.nan, 0.0]), "nan.*seen"),
    ((3,), "float32", np.array([[0.0, 0, 0], [0, np.inf, 0]]), "inf in episode 1"),
]


@pytest.mark.parametrize(("shape", "dtype", "observation", "words"), BAD)
def test_what_could_be_meant_in_two_ways_is_refused(
    shape: tuple[int, ...], dtype: str, observation: Any, words: str
) -> None:
    model = Watcher(shape, dtype)
    with pytest.raises(UserError, match=words):
        agent_of(model).act(observation)
    assert not model.frames


def test_not_a_number_may_stand_where_nothing_arrived() -> None:
    agent = agent_of(Watcher((3,), "float32"))
    agent.act(np.ones((2, 3)))
    lost = np.array([[2.0, 2, 2], [np.nan, 0, 0]])
    with pytest.raises(UserError, match="episode 1"):
        agent.act(lost)
    assert agent.act(lost, np.array([True, False])).tolist() == [[2.0, 2.0], [1.0, 1.0]]


def test_a_refused_frame_leaves_the_episode_as_it_was() -> None:
    agent, seen = agent_of(Watcher()), frames(2)
    agent.act(seen)
    before = agent.belief
    for wrong, words in (
        (seen[:1], "holds 1 episodes.*2.*reset"),
        (seen.astype(float), "float64"),
        (seen[0], "1 epis"),
    ):
        with pytest.raises(UserError, match=words):
            agent.act(wrong)
    with pytest.raises(UserError, match="truth value"):
        agent.act(seen, True)
    assert agent.belief is before
    agent.reset()
    assert agent.act(seen[:1]).shape == (1, 2)


def test_a_camera_s_own_read_only_buffer_is_taken_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    buffer = np.frombuffer(bytes(range(72)), np.uint8).reshape(4, 6, 3)
    model = Watcher()
    agent_of(model).act(buffer)
    assert torch.equal(model.frames[0][0], torch.arange(72, dtype=torch.uint8).reshape(4, 6, 3))
    assert not recwarn.list


def test_a_filter_that_says_nothing_of_what_it_sees_is_given_everything() -> None:
    assert Expected.by(object()) is None
    assert Expected.by(Watcher()) == Expected((4, 6, 3), np.dtype(np.uint8))


def test_what_is_doubted_is_said_once_of_the_line_that_acts_and_of_frames_that_arrived() -> None:
    model = Watcher((1,), "float32")
    agent = LatentAgent(
        model,
        PolicyController(lambda belief: belief.mean),
        doubt=lambda seen: "far" if seen.max(initial=0) > 5 else None,
    )
    near, far = np.array([[1.0]], np.float32), np.array([[9.0]], np.float32)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        agent.act(near)
        agent.act(far, seen=False)
        assert not said
        agent.act(far)
        agent.act(far)
    assert [(str(one.message), one.filename) for one in said] == [("far", __file__)]
