"""How far an exported agent is from the agent, worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.agents import LatentAgent, PolicyController
from latentrl.data_collection.storage import write
from latentrl.exporting.checking import Differences, check_frames, differences
from latentrl.models.spec import DataSpec
from latentrl.support.errors import UserError
from latentrl.types import Belief, Trajectory


class Counter:
    """A filter whose mean is the frame, or one more than before where there was none."""

    spec = SimpleNamespace(observation_shape=(2,), observation_dtype="float32")

    def initial_belief(self, observation: Tensor) -> Belief:
        return Belief(observation.double(), torch.eye(2).expand(len(observation), 2, 2))

    def filter(self, belief: Belief, action: Tensor, observation: Tensor | None) -> Belief:
        return (
            Belief(belief.mean + 1, 2 * belief.covariance) if observation is None else self.initial_belief(observation)
        )


class Exported:
    """The same in NumPy, but for some errors from the third step on."""

    def __init__(self, mean: float = 0.0, covariance: float = 0.0, action: float = 0.0) -> None:
        self.errors, self.seen = (mean, covariance, action), [True]

    def graphs(self) -> Mapping[str, Any]:
        return {"begin": lambda given: self._answer(given["frame"], np.eye(2)), "step": self._step}

    def _step(self, given: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        self.seen.append(bool(given["seen"]))
        if given["seen"]:
            return self._answer(given["frame"], np.eye(2))
        return self._answer(given["last_mean"] + 1, 2 * given["last_covariance"])

    def _answer(self, mean: np.ndarray, covariance: np.ndarray) -> list[np.ndarray]:
        own = mean.astype(float), covariance, mean.astype(np.float32)
        if len(self.seen) < 3:
            return list(own)
        return [value + error for value, error in zip(own, self.errors, strict=True)]


FRAMES = np.array([[8.0, 4.0]] * 12, np.float32)


def found(exported: Exported) -> Differences:
    agent = LatentAgent(Counter(), PolicyController(lambda belief: belief.mean))
    return differences(agent, exported.graphs(), FRAMES, np.array([4.0, 2.0], np.float32))


def test_an_exact_export_has_no_differences_and_some_frames_are_lost() -> None:
    exported = Exported()
    assert found(exported) == Differences(0.0, 0.0, 0.0)
    assert exported.seen[0] and exported.seen.count(False) == 2 and len(exported.seen) == 12


def test_each_difference_counts_in_its_own_unit() -> None:
    """The largest mean is 9, where a frame was lost; covariances go up to 2; the smaller action range is 2."""
    assert found(Exported(mean=0.18)).mean == pytest.approx(0.36 / 9), "it builds up where the frame is lost"
    assert found(Exported(covariance=0.1)).covariance == pytest.approx(0.3 / 2)
    one = found(Exported(action=0.01))
    assert one.action == pytest.approx(0.005, rel=1e-3) and one.largest == one.action
    assert np.isnan(found(Exported(action=np.nan)).largest)


def test_frames_are_held_out_ones_or_noise(tmp_path: Path) -> None:
    spec = DataSpec((3,), "float32", 1, (1.0,))
    noise, source = check_frames(tmp_path / "nowhere", spec, 7)
    assert noise.shape == (7, 3) and noise.dtype == np.float32 and "noise" in source
    rng = np.random.default_rng(0)
    actions = np.eye(4, 1, dtype=np.float32)
    recorded = [Trajectory(rng.normal(size=(5, 3)).astype(np.float32), actions) for _ in range(3)]
    limits = {"action_low": [-1.0], "action_high": [1.0]}
    write(tmp_path / "data", "train", recorded[:2], limits)
    write(tmp_path / "data", "test", recorded[2:], limits)
    frames, source = check_frames(tmp_path / "data", spec, 4)
    np.testing.assert_array_equal(frames, recorded[2].observations[:4])
    assert str(tmp_path / "data") in source
    with pytest.raises(UserError, match="--data"):
        check_frames(tmp_path / "data", DataSpec((4,), "float32", 1, (1.0,)), 4)
