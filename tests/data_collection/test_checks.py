"""What no model can be trained on is refused: the message names recording, step, key, value and cure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentrl.data_collection import storage
from latentrl.data_collection.checks import check_bounds, check_finite, check_split, check_trajectory
from latentrl.support.errors import UserError
from latentrl.types import Sequences, Trajectory

BOUNDS: dict[str, Any] = {"action_low": [-1.0, -1.0], "action_high": [1.0, 1.0]}


def sensors(length: int = 6) -> Trajectory:
    rng = np.random.default_rng(0)
    return Trajectory(
        rng.normal(size=(length, 3)).astype(np.float32),
        rng.uniform(-1, 1, (length - 1, 2)).astype(np.float32),
        {"state": rng.normal(size=(length, 4))},
    )


def pictures(shape: tuple[int, ...] = (24, 32, 3)) -> Trajectory:
    seen = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    return replace(sensors(), observations=seen, infos={})


def spoilt(values: np.ndarray, at: tuple[int, ...], value: float) -> np.ndarray:
    changed = values.copy()
    changed[at] = value
    return changed


def test_what_fits_passes() -> None:
    for good in (sensors(), pictures(), pictures((24, 32, 1)), pictures((24, 32, 4)), pictures((16, 16, 6))):
        check_trajectory(good, "x", BOUNDS["action_low"], BOUNDS["action_high"])


S, P = sensors(), pictures()
BAD: dict[str, tuple[Trajectory, str]] = {
    "NaN": (
        replace(S, observations=spoilt(S.observations, (4, 2), np.nan)),
        r"ball: observations, step 4, entry 2 is nan",
    ),
    "infinity": (replace(S, actions=spoilt(S.actions, (3, 1), np.inf)), r"ball: actions, step 3, entry 1 is inf"),
    "out of bounds": (replace(S, actions=spoilt(S.actions, (2, 0), 1.5)), r"step 2, entry 0 is 1.5, out of .* -1 to 1"),
    "T actions": (replace(S, actions=np.vstack((S.actions, S.actions[:1]))), r"actions\[:-1\]"),
    "T - 2 actions": (replace(S, actions=S.actions[1:]), r"are 4 for 6 observations: give 5"),
    "flat actions": (replace(S, actions=S.actions[:, 0]), r"actions\[:, None\]"),
    "double actions": (
        replace(S, actions=S.actions.astype(np.float64)),
        r"actions .* float64.*astype\(numpy.float32\)",
    ),
    "double": (
        replace(S, observations=S.observations.astype(np.float64)),
        r"float64.*observations.astype\(numpy.float32\)",
    ),
    "integers": (replace(S, observations=S.observations.astype(np.int64)), r"int64"),
    "flags": (replace(S, observations=S.observations > 0), r"bool"),
    "objects": (replace(S, observations=S.observations.astype(object)), r"object"),
    "channels first": (replace(P, observations=P.observations.transpose(0, 3, 1, 2)), r"\.transpose\(0, 2, 3, 1\)"),
    "stacked grey first": (pictures((4, 48, 64)), r"\.transpose\(0, 2, 3, 1\)"),
    "no channels": (pictures((24, 32)), r"observations\[\.\.\., None\]"),
    "floats to 1": (
        replace(P, observations=(P.observations / 255).astype(np.float32)),
        r"from 0 to 1.*255 \* observations",
    ),
    "floats to 255": (replace(P, observations=P.observations.astype(np.float32)), r"to 255.*astype\(numpy.uint8\)"),
    "wide integers": (replace(P, observations=P.observations.astype(np.int32)), r"int32.*astype\(numpy.uint8\)"),
    "one step": (replace(S, observations=S.observations[:1], actions=S.actions[:0]), r"1 step"),
    "one number": (replace(S, observations=S.observations[:, 0]), r"observations\[:, None\]"),
    "short truth": (replace(S, infos={"state": np.zeros((5, 4))}), r"state has the shape \(5, 4\)"),
    "words as truth": (replace(S, infos={"name": np.array(["a"] * 6)}), r"name has the dtype"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    bad, said = BAD[name]
    with pytest.raises(UserError, match=said):
        check_trajectory(bad, "ball", BOUNDS["action_low"], BOUNDS["action_high"])
    with pytest.raises(UserError, match="trajectory 0"):
        storage.write(tmp_path, "train", [bad], BOUNDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"action_low": [1.0, -1.0], "action_high": [-1.0, 1.0]}, r"action_low\[0\] is 1, above"),
        ({"action_high": [1.0, float("nan")]}, "action_high"),
        ({"action_high": [1.0, float("inf")]}, "action_high"),
        ({"action_high": [1.0]}, "action_low has 2 numbers and action_high 1"),
        ({"action_low": [-1.0] * 3, "action_high": [1.0] * 3}, "2 dimensions, their bounds 3"),
        ({"action_low": None}, "action_low is missing"),
        ({"action_low": "wide"}, "action_low is 'wide'"),
        ({"camera": np.zeros(3)}, "metadata 'camera'"),
    ],
)
def test_bad_metadata_is_named_and_does_not_block_what_is_right(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        storage.write(tmp_path, "train", [sensors()], {**BOUNDS, **changes})
    storage.write(tmp_path, "train", [sensors()], BOUNDS)


def test_bounds_may_be_arrays(tmp_path: Path) -> None:
    arrays = {key: np.array(value, np.float32) for key, value in BOUNDS.items()}
    storage.write(tmp_path, "train", [sensors()], arrays)
    assert storage.load_metadata(tmp_path)["action_low"] == [-1.0, -1.0]
    assert check_bounds(arrays, "x") == ([-1.0, -1.0], [1.0, 1.0])


def test_a_split_of_another_kind_is_refused(tmp_path: Path) -> None:
    storage.write(tmp_path, "train", [sensors()], BOUNDS)
    for other, bounds, said in (
        (pictures(), BOUNDS, "observation shape"),
        (sensors(), {**BOUNDS, "action_high": [2.0, 2.0]}, "action high"),
        (
            replace(sensors(), actions=sensors().actions[:, :1]),
            {"action_low": [-1.0], "action_high": [1.0]},
            "action low",
        ),
    ):
        with pytest.raises(UserError, match=f"'test' has {said}"):
            storage.write(tmp_path, "test", [other], bounds)
    storage.write(tmp_path, "test", [sensors(9)], BOUNDS)
    assert len(storage.load_sequences(tmp_path, "test")) == 1


def test_a_metadata_file_that_cannot_be_written_leaves_no_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "update_metadata", fail)
        with pytest.raises(OSError, match="broken"):
            storage.write(tmp_path, "train", [sensors()], BOUNDS)
    storage.write(tmp_path, "train", [sensors()], BOUNDS)


class TestSplits:
    def data(self) -> Sequences:
        generator = torch.Generator().manual_seed(0)
        actions = 2 * torch.rand(150, 4, 2, generator=generator) - 1
        return Sequences(torch.randn(150, 5, 3, generator=generator), actions)

    def test_the_place_is_counted_over_all_sequences(self) -> None:
        data = self.data()
        check_split(data, "data: train", **{"low": [-1, -1], "high": [1, 1]})
        data.observations[100, 2, 1] = torch.nan
        with pytest.raises(UserError, match="data: train: observations of sequence 100, step 2, entry 1 is nan"):
            check_split(data, "data: train")
        data = self.data()
        data.actions[77, 3, 1] = 1.2
        with pytest.raises(UserError, match=r"actions of sequence 77, step 3, entry 1 is 1.2, out of .* -1 to 1"):
            check_split(data, "data: train", [-1, -1], [1, 1])

    def test_what_never_changes_cannot_be_learned(self) -> None:
        data = self.data()
        still = Sequences(torch.full((70, 5, 8, 8, 1), 7, dtype=torch.uint8), data.actions[:70])
        with pytest.raises(UserError, match="all observations are the same"):
            check_split(still, "x")
        check_finite(still, "x")
        still.observations[-1, -1, 3, 3] = 8
        check_split(still, "x")
        with pytest.raises(UserError, match=r"all actions are the same, \[0.5, 0.5\]"):
            check_split(Sequences(data.observations, torch.full_like(data.actions, 0.5)), "x")
