"""Frames that no environment makes: digits, clips of motion, and their way into a data folder."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from latentrl.data_collection.storage import load_ground_truth, load_metadata, load_sequences
from latentrl.studies.making import LABEL, main
from latentrl.studies.sources import SOURCES, Frames, Splits
from latentrl.studies.sources.digits import binarised
from latentrl.studies.sources.motion import JOINTS, Clip, found_clips, of_clips, read_frames, read_hdf5
from latentrl.support.errors import UserError


def test_a_pixel_is_white_as_often_as_it_is_bright() -> None:
    images = np.broadcast_to(np.array([[0.0, 4.0, 16.0]]), (4000, 1, 3))
    found = binarised(images, np.random.default_rng(0))
    assert set(np.unique(found)) == {0, 255}
    shares = (found == 255).mean((0, 1))
    assert shares[0] == 0 and shares[2] == 1 and abs(shares[1] - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_digits_are_split_by_picture_and_the_seed_says_how() -> None:
    pytest.importorskip("sklearn")
    found, again, other = (SOURCES["digits"](seed) for seed in (0, 0, 1))
    train, test = found.frames["train"], found.frames["test"]
    assert test.observations.shape == (200, 8, 8, 1) and len(train.labels) == 1597 * 20
    assert np.array_equal(test.observations, again.frames["test"].observations)
    assert not np.array_equal(test.labels, other.frames["test"].labels)
    both = np.bincount(test.labels) + np.bincount(train.labels) // 20
    from sklearn.datasets import load_digits

    assert both.tolist() == np.bincount(load_digits().target).tolist(), "every picture once, held out or not"


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UserError, match=r"pip install 'latentrl\[digits\]'"):
        SOURCES["digits"](0)


def angles(count: int, first: float = 0.0) -> np.ndarray:
    return first + np.arange(count, dtype=np.float32)[:, None].repeat(2, 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_whole_clips_are_held_out_and_of_a_single_one_an_end(seed: int) -> None:
    clips = [*(Clip("walk", angles(30, 1000.0 * n)) for n in range(1, 6)), Clip("kick", angles(100))]
    found = of_clips(clips, ["knee", "hip"], "made up", seed)
    train, test = (found.frames[split] for split in ("train", "test"))
    of_clip = {
        split: set((one.observations[one.labels == 0, 0] // 1000).tolist()) for split, one in found.frames.items()
    }
    assert len(of_clip["test"]) == 1 and len(of_clip["train"]) == 4 and not of_clip["test"] & of_clip["train"]
    kicks = [np.sort(one.observations[one.labels == 1, 0]) for one in (train, test)]
    assert len(kicks[1]) == 20 and (kicks[1][-1] == 99) == (seed == 0)
    apart = np.abs(kicks[0][:, None] - kicks[1]).min()
    assert apart > 5, "a gap, for frames beside it are too much alike"
    assert found.about == {"labels": ["walk", "kick"], "parts": ["knee", "hip"], "origin": "made up"}


def test_quaternions_become_rotation_vectors(tmp_path: Path) -> None:
    """SciPy's own way back, and a hinge stays what it is."""
    turns = Rotation.from_rotvec([[0.1, 0.2, -0.3], [1.0, 0.0, 0.5]])
    quaternions = np.roll(turns.as_quat(), 1, 1)
    columns = [np.zeros((2, 8)), *(quaternions if size == 4 else np.full((2, 1), 0.7) for size in JOINTS.values())]
    path = tmp_path / "humanoid3d_dance_a.txt"
    path.write_text(json.dumps({"Frames": np.concatenate(columns, 1).tolist()}))
    clip = read_frames(path)
    assert clip.motion == "dance" and clip.angles.shape == (2, 28)
    np.testing.assert_allclose(clip.angles[:, :3], turns.as_rotvec(), atol=1e-6)
    np.testing.assert_allclose(clip.angles[:, 9], 0.7, atol=1e-6)
    path.write_text(json.dumps({"Frames": [[0.0] * 20]}))
    with pytest.raises(UserError, match="not 44"):
        read_frames(path)


def test_dm_controls_format_is_read_by_subject(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    joints = np.arange(12.0).reshape(3, 4)
    with h5py.File(tmp_path / "clips.h5", "w") as file:
        for name in ("CMU_035_01", "CMU_001_01"):
            file[f"{name}/walkers/walker_0/joints"] = joints
    (clip,) = read_hdf5(tmp_path / "clips.h5", {"035": "walking"})
    assert clip.motion == "walking" and np.array_equal(clip.angles, joints.T)
    with pytest.raises(UserError, match="no clips of the subjects 143"):
        list(read_hdf5(tmp_path / "clips.h5", {"143": "punching"}))


@pytest.mark.parametrize("damage", ["no file", "no joints", "other joints", "nan"])
def test_damaged_clips_are_named(tmp_path: Path, damage: str) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "clips.h5"
    if damage == "no file":
        path.write_bytes(b"garbage")
    else:
        with h5py.File(path, "w") as file:
            file["CMU_035_01/walkers/walker_0/joints"] = np.zeros((3, 4))
            more = {
                "no joints": "walkers/other",
                "other joints": "walkers/walker_0/joints",
                "nan": "walkers/walker_0/joints",
            }
            file[f"CMU_035_02/{more[damage]}"] = np.full(
                (2 if damage == "other joints" else 3, 4), np.nan if damage == "nan" else 0.0
            )
    with pytest.raises(UserError, match=r"clips\.h5 is damaged .*remove it"):
        list(read_hdf5(path, {"035": "walking"}))


def test_where_no_clips_are_the_cures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def absent(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(UserError, match="pip install pybullet"):
        found_clips()


def test_a_data_folder_of_frames_and_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every frame once, beside its own label; of an odd number one is left over."""
    made = np.arange(5, dtype=np.float32)[:, None].repeat(3, 1)
    splits = {split: Frames(made, np.arange(5)) for split in ("train", "test")}
    monkeypatch.setitem(SOURCES, "digits", lambda seed: Splits(splits, {"labels": list("abcde"), "origin": "here"}))
    folder = tmp_path / "data"
    main(["digits", "--out", str(folder), "--seed", "3"])
    assert "next: " in capsys.readouterr().out
    data, truth = load_sequences(folder, "train"), load_ground_truth(folder, "train")
    assert tuple(data.observations.shape) == (2, 2, 3)
    assert np.array_equal(data.observations[..., 0].numpy(), truth[LABEL]) and len(set(truth[LABEL].ravel())) == 4
    assert load_metadata(folder)["origin"] == "here"
    with pytest.raises(SystemExit):
        main(["digits", "--out", str(folder)])
    assert "exists already" in capsys.readouterr().err
