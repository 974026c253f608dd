"""What single formats say beyond what all readers have in common."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

import latentrl.recordings.film
from latentrl.recordings.columns import read_table, step_of
from latentrl.recordings.film import film_blocks, film_facts
from latentrl.recordings.readers import READERS, lerobot, open_source
from latentrl.support.errors import UserError
from tests.conformance.sources import content, write_film, write_lerobot, write_minari
from tools.pictures import huge_picture


def test_a_minari_set_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_minari(tmp_path / "robot", content([4, 5]), "arrow")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    name, source = open_source("robot/set")
    assert name == "minari" and len(source.recordings) == 2
    with pytest.raises(UserError, match="robot/other: there are no recordings"):
        open_source("robot/other")


def test_bounds_that_a_minari_set_says_are_taken(tmp_path: Path) -> None:
    there = Path(write_minari(tmp_path, content([4]), "arrow")) / "data" / "metadata.json"
    assert READERS["minari"].open(there.parent).action_bounds is None, "they are infinite"
    raw = json.loads(there.read_text())
    space = json.loads(raw["action_space"])
    raw["action_space"] = json.dumps({**space, "low": [-2.0, -1.0], "high": [2.0, 1.5]})
    there.write_text(json.dumps(raw))
    assert READERS["minari"].open(there.parent).action_bounds == ([-2.0, -1.0], [2.0, 1.5])


def test_pictures_that_are_no_jpeg_files_tell_what_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in sets by other hands: Minari takes those of 32 pixels for JPEG files unless its metadata says otherwise."""
    h5py = pytest.importorskip("h5py")
    for side in ("HEIGHT", "WIDTH"):
        monkeypatch.setattr(f"tests.conformance.sources.{side}", 32)
    made = content([4, 5])
    there = Path(write_minari(tmp_path, made, "hdf5")) / "data"
    with h5py.File(there / "main_data.hdf5", "r+") as file:
        for number, one in enumerate(made):
            del file[f"episode_{number}/observations/camera"]
            file[f"episode_{number}/observations/camera"] = one["frames"]
    with pytest.raises(UserError, match='"jpeg_encoding": false'):
        READERS["minari"].open(there).recordings[0].keys  # noqa: B018
    path = there / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "jpeg_encoding": False}))
    (found,) = READERS["minari"].open(there).recordings[0].blocks("observations/camera")
    np.testing.assert_array_equal(found, made[0]["frames"])


def test_no_environment_is_made_of_a_name_in_a_minari_set(tmp_path: Path) -> None:
    """A set without spaces has Minari make the environment that it names, whose module is imported."""
    there = Path(write_minari(tmp_path, content([4]), "arrow")) / "data" / "metadata.json"
    raw = json.loads(there.read_text())
    del raw["action_space"]
    raw["env_spec"] = json.dumps({"id": "antigravity:Evil-v0", "entry_point": "antigravity:Evil"})
    there.write_text(json.dumps(raw))
    with pytest.raises(UserError, match="says nothing of its spaces"):
        READERS["minari"].open(there.parent)


def test_lerobot_versions_that_are_not_known_are_refused(tmp_path: Path) -> None:
    write_lerobot(tmp_path, content([4], surplus=True), 2, "image")
    path = tmp_path / "meta" / "info.json"
    info = json.loads(path.read_text())
    for change, message in (
        ({"codebase_version": "v1.6"}, "is of version v1.6; convert it to v2.1"),
        ({"features": {"a": {"dtype": "float32"}}}, r"does not say what version v2.1 should \(KeyError\('shape'\)\)"),
    ):
        path.write_text(json.dumps({**info, **change}))
        with pytest.raises(UserError, match=message):
            READERS["lerobot"].open(tmp_path)


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("info.json", '"chunks_size": 1000', '"chunks_size": 0', r"chunks_size is 0, no whole number from 1 to"),
        ("info.json", '"fps": 10', f'"fps": {10**400}', r"fps is 1000\d+\.\.\.\d+; give frames a second"),
        ("info.json", '"fps": 10', '"fps": NaN', "fps is nan; give frames a second"),
        (
            "info.json",
            '"float32", "shape": [2]',
            '"int8,int8", "shape": [2]',
            r"features, action: dtype is 'int8,int8'; give",
        ),
        (
            "info.json",
            '"float32", "shape": [2]',
            '"float33", "shape": [2]',
            r"features, action: dtype is 'float33'; give",
        ),
        ("info.json", '"shape": [2]', '"shape": [-1]', r"features, action: a side of its shape is -1, no whole number"),
        ("info.json", None, DEEP, r"is damaged \(too many brackets within each other\)"),
        ("episodes.jsonl", None, DEEP, r"is missing or damaged \(too many brackets within each other\)"),
        ("episodes.jsonl", None, "3", "a line is no JSON object"),
        ("episodes.jsonl", '"length": 5', '"length": 1e400', "length is inf, no whole number"),
        ("episodes.jsonl", '"length": 5', '"length": -30', "length is -30, no whole number"),
        ("episodes.jsonl", '"length": 5', '"size": 5', "length is None, no whole number"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_lerobot_sets_that_say_what_cannot_be_are_refused(
    tmp_path: Path, name: str, old: str | None, new: str, told: str
) -> None:
    """By file and key."""
    write_lerobot(tmp_path, content([5], surplus=True), 2, "image")
    path = tmp_path / "meta" / name
    text = path.read_text()
    assert old is None or old in text
    path.write_text(new if old is None else text.replace(old, new))
    with pytest.raises(UserError, match=rf"{name}: .*{told}"):
        READERS["lerobot"].open(tmp_path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("../outside.parquet", "leads out of the folder, to '../outside.parquet'"),
        ("data/../../outside.parquet", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("data/\0", "leads out of the folder"),
        ("{episode_index.__class__}", "which is none of"),
        ("{file_index!r}{episode_index!r}", "which is none of"),
        ("{0}", "which is none of"),
        ("{episode_index:>9999999999}{file_index:>9999999999}", "which is none of"),
        ("{", "does not say what version"),
    ],
)
def test_names_of_files_are_places_within_a_lerobot_set(tmp_path: Path, version: int, pattern: str, told: str) -> None:
    write_lerobot(tmp_path, content([4], surplus=True), version, "image")
    path = tmp_path / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_path": pattern}))
    with pytest.raises(UserError, match=told):
        READERS["lerobot"].open(tmp_path)


def test_a_huge_picture_in_a_table_is_not_decoded() -> None:
    for content_, told in (
        (huge_picture(9_000), "9000 x 9000, not 4 x 6"),
        (_png(np.zeros((4, 6), np.uint16)), "mode I;16"),
        (None, "files of their own"),
    ):
        with pytest.raises(ValueError, match=told):
            lerobot._picture(content_, (4, 6, 3))
    assert lerobot._picture(_png(np.full((4, 6), 7, np.uint8)), (4, 6, 3)).tolist() == [[[7] * 3] * 6] * 4


def _png(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("turned", r"is stored turned \(EXIF orientation 6\)"),
        ("moving", "holds 2 frames; save one"),
        ("transparent", "has transparent pixels"),
    ],
)
def test_pictures_in_tables_that_are_not_what_people_see_are_refused(tmp_path: Path, kind: str, told: str) -> None:
    """By table, key and episode, and not as damaged."""
    write_lerobot(tmp_path, content([4], surplus=True), 2, "image")
    key, (path,) = "observation.images.top", tmp_path.glob("data/*/*.parquet")
    table = pyarrow.parquet.read_table(path)
    height, width = READERS["lerobot"].open(tmp_path).recordings[0].keys[key].shape[:2]
    file, exif, picture = io.BytesIO(), Image.Exif(), Image.new("RGB", (width, height))
    exif[0x0112] = 6
    if kind == "turned":
        picture.save(file, "JPEG", exif=exif)
    elif kind == "moving":
        picture.save(file, "GIF", save_all=True, append_images=[Image.new("RGB", (width, height), "red")])
    else:
        Image.new("RGBA", (width, height), (9, 9, 9, 254)).save(file, "PNG")
    pictures = pyarrow.array([{"bytes": file.getvalue(), "path": None}] * len(table))
    pyarrow.parquet.write_table(table.set_column(table.column_names.index(key), key, pictures), path)
    with pytest.raises(UserError, match=rf"parquet: {key} of episode 0: a picture {told}") as refused:
        list(READERS["lerobot"].open(tmp_path).recordings[0].blocks(key))
    assert "copy the data set" not in str(refused.value)


def test_a_film_asks_no_address_that_it_names(tmp_path: Path) -> None:
    """A list of films with a film's name: FFmpeg would fetch what is on it."""
    pytest.importorskip("av")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        for name in ("a.mp4", "a.m3u8", "a.avi"):
            (tmp_path / name).write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{address}\n#EXT-X-ENDLIST\n")
            with pytest.raises(UserError, match=name):
                film_facts(tmp_path / name)
            with pytest.raises(UserError, match=name):
                list(film_blocks(tmp_path / name))
        with pytest.raises(TimeoutError):
            server.accept()


def test_depth_is_no_picture(tmp_path: Path) -> None:
    write_lerobot(tmp_path, content([4], surplus=True), 2, "image")
    path = tmp_path / "meta" / "info.json"
    info = json.loads(path.read_text())
    info["features"]["depth"] = {"dtype": "image", "shape": [1, 16, 24], "info": {"video.is_depth_map": True}}
    path.write_text(json.dumps(info))
    source = READERS["lerobot"].open(tmp_path)
    assert "depth" not in source.recordings[0].keys and "depth" in source.notes[0]


def test_a_film_is_read_from_any_frame_on(tmp_path: Path) -> None:
    """Between key frames and at them; several recordings share one film."""
    pytest.importorskip("av")
    frames = content([60])[0]["frames"]
    write_film(tmp_path / "a.mp4", frames)
    assert film_facts(tmp_path / "a.mp4").frames == 60 and film_facts(tmp_path / "a.mp4").rate == 10
    for start in (0, 1, 30, 49, 50, 51, 57):
        found = np.concatenate(list(film_blocks(tmp_path / "a.mp4", start / 10, 3)))
        assert len(found) == 3
        assert np.abs(found.astype(float) - frames[start : start + 3]).mean((1, 2, 3)).max() < 4, "another differs by 6"
    with pytest.raises(UserError, match=r"a\.mp4: ends 1 frames too early"):
        list(film_blocks(tmp_path / "a.mp4", 5.8, 3))


def test_a_film_needs_its_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"film")
    monkeypatch.setattr(latentrl.recordings.film, "av", None)
    with pytest.raises(UserError, match=r"a\.mp4: reading it takes PyAV.*pip install 'latentrl\[import\]'"):
        film_facts(tmp_path / "a.mp4")


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for text, expected in (
        ("1,2\n3,4\n", {"actions": [[1, 2], [3, 4]]}),
        ("1\n3\n\n", {"actions": [[1], [3]]}),
        ("\ufeffux;uy\n1;2\n3;4", {"ux": [1, 3], "uy": [2, 4]}),
        ("ux\tname\n1\tone\n3\ttwo", {"ux": [1, 3]}),
        ('"ux, in N",uy\n1,\n3,4', {"ux, in N": [1, 3], "uy": [np.nan, 4]}),
    ):
        path.write_text(text, encoding="utf-8")
        found = read_table(path)
        assert found.keys() == expected.keys()
        for name, column in expected.items():
            np.testing.assert_array_equal(found[name], column)
    for text, message in (
        ("", "has no rows"),
        ("ux,uy\n", "has no rows"),
        ("1,2\n3\n", "line 2: has 1 cells, the first line 2"),
        ("1,2\n\n3,x\n", "line 3: 'x' is no number"),
        ("ux,ux\n1,2\n", "give every column a name of its own"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=f"a.csv.*{message}"):
            read_table(path)


def test_a_column_of_times_tells_the_step() -> None:
    exact = np.arange(50) / 60
    assert step_of([]) is None and step_of([("a", exact[:1])]) is None
    assert step_of([("a", exact), ("b", exact[:7] + 1e9)]) == pytest.approx(1 / 60, rel=1e-5)
    # To milliseconds: 16, 17, 17, 16, ...
    assert step_of([("a", exact.round(3))]) == pytest.approx(1 / 60, rel=2e-3)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0.0, 0.1, 0.2, 0.32, 0.4, 0.5], r"b goes from 0\.2 to 0\.32 after row 3, a step usually takes 0\.1: .*--fps"),
        ([0.0, 0.1, 0.2, 0.0, 0.1, 0.2], r"b goes from 0\.2 to 0 after row 3"),
        ([0.0, 0.1, float("nan"), 0.3, 0.4], r"b goes from 0\.1 to nan after row 2"),
        ([0.0, 0.2, 0.4], r"b goes from 0 to 0\.2 after row 1"),
    ],
    ids=["a step that is longer", "another recording", "no number", "another rate"],
)
def test_steps_of_different_length_are_named(times: list[float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        step_of([("a", np.arange(10) / 10), ("b", np.array(times))])
    with pytest.raises(UserError, match="a goes from 3 to 3 after row 1"):
        step_of([("a", np.full(4, 3.0))])


def test_of_many_tables_one_is_held(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(f"x,u\n{ord(name)},1\n")
    _, source = open_source(str(tmp_path))
    first, *_ = source.recordings
    (tmp_path / "a.csv").write_text("x,u\n5,1\n")
    assert [float(next(first.blocks("x"))[0]) for _ in range(2)] == [5, 5], "read anew, once"
    assert vars(vars(first)["last"])["_columns"].keys() == {"x", "u"}


def test_tables_beside_films_are_the_films(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,u\n1,1\n")
    (tmp_path / "b.mp4").write_bytes(b"film")
    assert READERS["tables"].locate(str(tmp_path)) is None
    assert READERS["tables"].locate(str(tmp_path / "a.csv")) == tmp_path / "a.csv"
