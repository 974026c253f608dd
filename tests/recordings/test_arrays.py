"""NumPy files: what is one recording, what is many, and arrays that are read piece by piece."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentrl.recordings.readers.arrays import ArrayReader, stacked
from latentrl.recordings.stored_arrays import StoredArray, stored_arrays
from latentrl.support.errors import UserError


@pytest.mark.parametrize(
    ("shapes", "count"),
    [
        ({"frames": (20, 48, 64, 3), "actions": (19, 2)}, None),
        ({"frames": (20, 48, 64, 3), "actions": (20, 2), "K": (3, 3)}, None),
        ({"frames": (20, 48, 64), "actions": (19,)}, None),
        ({"frames": (48, 48, 48)}, None),
        ({"q": (20, 3), "motor": (19, 2)}, None),
        ({"frames": (7, 20, 48, 64, 3), "actions": (7, 19, 2)}, 7),
        ({"frames": (7, 20, 48, 64, 3), "actions": (7, 19), "rewards": (7, 19)}, 7),
        ({"q": (7, 20, 3), "motor": (7, 19, 2)}, 7),
        ({"q": (7, 20, 3), "actions": (7, 20, 2), "mass": (7,)}, 7),
    ],
)
def test_what_is_stacked(shapes: dict[str, tuple[int, ...]], count: int | None) -> None:
    arrays = {key: StoredArray(Path("a.npz"), key, shape, np.dtype(float), False) for key, shape in shapes.items()}
    assert stacked(arrays) == count


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, None])
def test_rows_come_in_blocks_from_anywhere(save: Any, order: Any, tmp_path: Path) -> None:
    whole = np.asarray(np.random.default_rng(0).normal(size=(23, 4, 2)), order=order)
    path = tmp_path / ("a.npz" if save else "a.npy")
    save(path, a=whole) if save else np.save(path, whole)
    array = stored_arrays(path)["a"]
    assert array.shape == whole.shape and array.dtype == whole.dtype
    for start, stop in ((0, None), (5, 19), (22, 23)):
        blocks = list(array.blocks(6, start, stop))
        assert max(map(len, blocks)) <= 6
        np.testing.assert_array_equal(np.concatenate(blocks), whole[start:stop])


def test_stacked_arrays_are_recordings_of_their_own(tmp_path: Path) -> None:
    seen, done = np.random.default_rng(0).normal(size=(5, 9, 3)), np.random.default_rng(1).normal(size=(5, 8, 2))
    (tmp_path / "all").mkdir()
    np.save(tmp_path / "all" / "obs.npy", seen)
    np.save(tmp_path / "all" / "actions.npy", done)
    source = ArrayReader().open(tmp_path / "all")
    assert [one.name for one in source.recordings] == [f"all/{n}" for n in range(5)]
    assert source.notes == ("all: 5 recordings, stacked [N, T, ...]",)
    for n, one in enumerate(source.recordings):
        np.testing.assert_array_equal(np.concatenate(list(one.blocks("obs"))), seen[n])
        np.testing.assert_array_equal(np.concatenate(list(one.blocks("actions"))), done[n])


def test_a_stack_is_unpacked_once_for_rows_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else 300 recordings in one file would be unpacked 300 times; out of order, and two at once, it is right too."""
    whole = np.random.default_rng(0).normal(size=(40, 3, 2))
    np.savez_compressed(tmp_path / "a.npz", a=whole)
    opened: list[Path] = []
    array = stored_arrays(tmp_path / "a.npz")["a"]
    kind = zipfile.ZipFile

    def counted(path: Path) -> zipfile.ZipFile:
        opened.append(path)
        return kind(path)

    monkeypatch.setattr(zipfile, "ZipFile", counted)
    for row in (0, 1, 5, 20, 39):
        np.testing.assert_array_equal(np.concatenate(list(array.blocks(1, row, row + 1)))[0], whole[row])
    assert len(opened) == 1
    for row in (7, 3):
        np.testing.assert_array_equal(np.concatenate(list(array.blocks(1, row, row + 1)))[0], whole[row])
    both = zip(array.blocks(1, 4, 9), array.blocks(1, 4, 9), strict=True)
    for row, (one, other) in zip(range(4, 9), both, strict=True):
        np.testing.assert_array_equal(one[0], whole[row])
        np.testing.assert_array_equal(other[0], whole[row])


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=np.array([np.zeros(3), np.zeros(4)], object))
    with pytest.raises(UserError, match=r"a\.npz: 'frames' holds pickled Python objects"):
        ArrayReader().open(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_or_read_as_it_was(save: Any, tmp_path: Path) -> None:
    """Any byte may be another: the archive's checksums hold to the last row."""
    whole = np.random.default_rng(0).integers(0, 9, (20, 4)).astype(np.uint8)
    save(tmp_path / "a.npz", a=whole)
    sound = (tmp_path / "a.npz").read_bytes()
    refused = 0
    for at in range(len(sound)):
        (tmp_path / "a.npz").write_bytes(sound[:at] + bytes([sound[at] ^ 0xFF]) + sound[at + 1 :])
        try:
            found = {key: list(array.blocks(6)) for key, array in stored_arrays(tmp_path / "a.npz").items()}
        except UserError:
            refused += 1
            continue
        if list(found) == ["a"]:
            np.testing.assert_array_equal(np.concatenate(found["a"]), whole)
    assert refused > len(sound) / 2


@pytest.mark.parametrize(
    "header", ["((((", "'''", "{'descr': 'zz', 'fortran_order': False, 'shape': (3,)}", "__import__('os')"]
)
def test_a_header_that_is_none_is_refused(header: str, tmp_path: Path) -> None:
    text = f"{header:<117}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(99))
    with pytest.raises(UserError, match=r"a\.npy: is damaged"):
        stored_arrays(tmp_path / "a.npy")
