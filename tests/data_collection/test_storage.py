"""Data folders: what goes in comes out, and nothing is ever half-written."""

from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
import torch

from latentrl.data_collection import storage
from latentrl.data_collection.folders import complete_folder
from latentrl.support.errors import UserError
from latentrl.types import Trajectory

METADATA = {"env_id": "latentrl/Pendulum-v0", "env_kwargs": {}, "action_low": [-2.0], "action_high": [2.0]}


def trajectory(
    rng: np.random.Generator, length: int = 5, shape: tuple[int, ...] = (16, 16, 1), images: bool = True
) -> Trajectory:
    seen = rng.integers(0, 256, (length, *shape)).astype(np.uint8) if images else rng.normal(size=(length, *shape))
    return Trajectory(
        observations=seen if images else seen.astype(np.float32),
        actions=rng.uniform(-2, 2, (length - 1, 1)).astype(np.float32),
        infos={
            "angle": rng.normal(size=length),
            "clean": rng.integers(0, 256, (length, 4, 4, 1)).astype(np.uint8),
            "state": rng.normal(size=(length, 3)).astype(np.float32),
        },
        seed=7,
    )


def trajectories(count: int = 12, **shape: Any) -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [trajectory(rng, **shape) for _ in range(count)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: (data / "2" / "part-0.arrow").unlink(),
        lambda data: (data / "2" / "part-0.arrow").write_bytes(b"ARROW1"),
        lambda data: (data / "metadata.json").write_text("{"),
        lambda data: (data / "metadata.json").unlink(),
    ],
    ids=["an episode is missing", "an episode is cut off", "no JSON", "no metadata"],
)
def test_a_damaged_split_is_refused(spoil: Any, tmp_path: Path) -> None:
    """An episode without its file left the last one of the array as it was in memory before."""
    data = storage.write(tmp_path, "train", trajectories(5), METADATA) / "data"
    spoil(data)
    with pytest.raises(UserError, match=r"train-v0/data/\S+ is (damaged|missing)"):
        storage.load_sequences(tmp_path, "train")


@pytest.mark.parametrize(
    ("made", "metadata", "message"),
    [
        ([(1, 2)], METADATA, "trajectory 0: is a tuple; give a latentrl.types.Trajectory"),
        (trajectories(3), [], "the metadata are a list; give a dictionary"),
        (trajectories(3), {**METADATA, "action_high": [1e300]}, "action_high is .* finite numbers"),
        (trajectories(3), dict([*METADATA.items(), ((1, 2), 3)]), "the metadata's key .* is no text"),
        (trajectories(1) * 3, METADATA, None),
        ([Trajectory(np.ones((5, 3), np.float32), np.ones((4, 1), np.float32))] * 3, METADATA, "all observations are"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_left(
    made: list[Any], metadata: Any, message: str | None, tmp_path: Path
) -> None:
    if message is None:
        storage.write(tmp_path, "train", made, metadata)
        return
    with pytest.raises(UserError, match=message):
        storage.write(tmp_path, "train", made, metadata)
    assert not list(tmp_path.iterdir())


# The sizes stand on either side of Minari's threshold for taking an array as a picture, which it would compress.
@pytest.mark.parametrize(
    "shape",
    [
        {"shape": (16, 16, 1)},
        {"shape": (64, 64, 3)},
        {"shape": (3,), "images": False},
        {"shape": (1,), "images": False},
        {"length": 2},
    ],
)
def test_sequences_and_ground_truth_come_back_bit_by_bit(tmp_path: Path, shape: dict[str, Any]) -> None:
    written = trajectories(**shape)
    storage.write(tmp_path, "train", iter(written), METADATA)

    sequences = storage.load_sequences(tmp_path, "train")
    observations = np.stack([t.observations for t in written])
    assert sequences.observations.is_contiguous()
    assert sequences.observations.dtype == torch.from_numpy(observations).dtype
    np.testing.assert_array_equal(sequences.observations, observations)
    np.testing.assert_array_equal(sequences.actions, np.stack([t.actions for t in written]))
    assert sequences.actions.dtype == torch.float32

    truth = storage.load_ground_truth(tmp_path, "train")
    assert set(truth) == {"angle", "clean", "state"}
    for key, values in truth.items():
        expected = np.stack([t.infos[key] for t in written])
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == expected.dtype


class TestLargerThanMemory:
    @pytest.fixture
    def written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Trajectory]:
        """Data that is mapped, by a limit that is passed at once."""
        monkeypatch.setattr(storage, "MAPPED_FROM", 100)
        written = trajectories(7)
        storage.write(tmp_path, "train", written, METADATA)
        return written

    def test_is_mapped_bit_by_bit(self, tmp_path: Path, written: list[Trajectory]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sequences = storage.load_sequences(tmp_path, "train")
        np.testing.assert_array_equal(sequences.observations, np.stack([t.observations for t in written]))
        np.testing.assert_array_equal(sequences.actions, np.stack([t.actions for t in written]))
        assert sequences.observations.dtype == torch.uint8 and sequences.observations.is_contiguous()
        assert sorted(path.name for path in (tmp_path / "train-v0").iterdir()) == ["data", "mapped"]
        batch = sequences[torch.tensor([6, 0, 6])]
        np.testing.assert_array_equal(batch.observations[1], written[0].observations)

    def test_stays_where_it_is_mapped(
        self, tmp_path: Path, written: list[Trajectory], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for limit, device in ((100, "cpu"), (10**9, "meta")):
            monkeypatch.setattr(storage, "MAPPED_FROM", limit)
            sequences = storage.load_sequences(tmp_path, "train", "meta")
            assert {sequences.observations.device.type, sequences.actions.device.type} == {device}

    def test_is_copied_once(self, tmp_path: Path, written: list[Trajectory], monkeypatch: pytest.MonkeyPatch) -> None:
        first = storage.load_sequences(tmp_path, "train")
        monkeypatch.setattr(storage, "write_mapped", None)
        assert torch.equal(storage.load_sequences(tmp_path, "train").observations, first.observations)

    @pytest.mark.parametrize("kind", ["short", "other", "text", "empty", "smaller"])
    def test_a_copy_that_is_none_is_made_again(self, tmp_path: Path, written: list[Trajectory], kind: str) -> None:
        storage.load_sequences(tmp_path, "train")
        copy = tmp_path / "train-v0" / "mapped" / "observations.npy"
        whole = copy.read_bytes()
        if kind == "smaller":
            np.save(copy, np.stack([t.observations for t in written])[1:])
        else:
            other = whole[:-1] + bytes([whole[-1] ^ 1])
            copy.write_bytes({"short": whole[:-1], "other": other, "text": b"text", "empty": b""}[kind])
        sequences = storage.load_sequences(tmp_path, "train")
        np.testing.assert_array_equal(sequences.observations, np.stack([t.observations for t in written]))

    def test_a_failed_copy_leaves_nothing(
        self, tmp_path: Path, written: list[Trajectory], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
        with pytest.raises(UserError, match=r"train-v0/mapped: the disk is full"):
            storage.load_sequences(tmp_path, "train")
        assert [path.name for path in (tmp_path / "train-v0").iterdir()] == ["data"]

    def test_what_fits_is_read_into_memory(
        self, tmp_path: Path, written: list[Trajectory], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(storage, "MAPPED_FROM", 7 * written[0].observations.nbytes)
        storage.load_sequences(tmp_path, "train").observations[0] = 0
        assert [path.name for path in (tmp_path / "train-v0").iterdir()] == ["data"]


def test_no_ground_truth_is_fine(tmp_path: Path) -> None:
    written = [Trajectory(t.observations, t.actions) for t in trajectories(3)]
    storage.write(tmp_path, "train", written, METADATA)
    assert storage.load_ground_truth(tmp_path, "train") == {}
    assert len(storage.load_sequences(tmp_path, "train")) == 3


def test_more_than_ten_episodes_keep_their_order(tmp_path: Path) -> None:
    written = trajectories(25, shape=(1,), images=False)
    storage.write(tmp_path, "train", written, METADATA)
    loaded = storage.load_sequences(tmp_path, "train").observations
    np.testing.assert_array_equal(loaded[:, 0, 0], [t.observations[0, 0] for t in written])


def test_metadata_comes_back_with_shapes_and_splits(tmp_path: Path) -> None:
    storage.write(tmp_path, "train", trajectories(4), METADATA)
    storage.write(tmp_path, "test", trajectories(3), METADATA)
    metadata = storage.load_metadata(tmp_path)
    assert {key: metadata[key] for key in METADATA} == METADATA
    assert metadata["observation_shape"] == [16, 16, 1]
    assert metadata["observation_dtype"] == "uint8"
    assert metadata["splits"] == {"train": {"sequences": 4, "length": 5}, "test": {"sequences": 3, "length": 5}}


def test_each_split_is_a_minari_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = trajectories(3)
    storage.write(tmp_path, "train", written, METADATA)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("train-v0")
    assert dataset.total_episodes == 3
    assert dataset.total_steps == 3 * 4
    assert dataset.action_space.high == 2.0
    assert dataset.observation_space.shape == (16, 16, 1)
    episode = next(dataset.iterate_episodes())
    assert len(episode) == 4
    np.testing.assert_array_equal(episode.observations, written[0].observations)
    assert list(episode.truncations) == [False, False, False, True]
    assert next(iter(dataset.storage.get_episode_metadata([2])))["seed"] == 7


def test_an_existing_split_stays(tmp_path: Path) -> None:
    storage.write(tmp_path, "train", trajectories(3), METADATA)
    with pytest.raises(UserError, match=r"train-v0 exists already.*--overwrite"):
        storage.write(tmp_path, "train", trajectories(2), METADATA)
    assert len(storage.load_sequences(tmp_path, "train")) == 3


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty"):
        storage.write(tmp_path, "train", [], METADATA)
    with pytest.raises(UserError, match=r"'a/b'"):
        storage.write(tmp_path, "a/b", trajectories(1), METADATA)
    with pytest.raises(UserError, match=r"no data folder.*latentrl\.collect"):
        storage.load_metadata(tmp_path / "nowhere")
    storage.write(tmp_path, "train", trajectories(1), METADATA)
    with pytest.raises(UserError, match=r"no split 'test'.*train"):
        storage.load_sequences(tmp_path, "test")


def test_unequal_trajectories_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="trajectory 2"):
        storage.write(tmp_path, "train", [trajectory(rng), trajectory(rng), trajectory(rng, length=6)], METADATA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), UserError),
        (OSError(errno.EIO, "broken"), OSError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, failure: BaseException, raised: type[BaseException]) -> None:
    def failing() -> Iterator[Trajectory]:
        yield from trajectories(3)
        raise failure

    with pytest.raises(raised) as caught:
        storage.write(tmp_path, "train", failing(), METADATA)
    assert list(tmp_path.iterdir()) == []
    if raised is UserError:
        assert "disk is full" in str(caught.value)


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    with complete_folder(target) as temporary:
        assert temporary.parent == target.parent
        (temporary / "file").write_text("new")
        assert not target.exists()
    assert (target / "file").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_overwriting_replaces_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError), complete_folder(target, overwrite=True) as temporary:
        (temporary / "new").write_text("new")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["old"]
    with complete_folder(target, overwrite=True) as temporary:
        (temporary / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_metadata_is_plain_json(tmp_path: Path) -> None:
    storage.write(tmp_path, "train", trajectories(1), METADATA)
    assert json.loads((tmp_path / "metadata.json").read_text())["env_id"] == METADATA["env_id"]
