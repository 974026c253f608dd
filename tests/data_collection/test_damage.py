"""Data folders that somebody damaged, changed or made up: every one is refused with its file, and a cure that works."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import latentrl.collect
from latentrl.collect import CollectOptions, collect
from latentrl.data_collection import storage
from latentrl.data_collection.digest import digest, known_digest
from latentrl.support.errors import UserError

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "data"
    return collect(CollectOptions(out=folder, sequences=4, test_sequences=2, length=4, num_envs=2, seed=5, hold=0.25))


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def changed(**changes: Any) -> Damage:
    """Metadata with other values; None takes a key out."""

    def damage(path: Path) -> None:
        content = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return damage


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path) -> None:
    path.unlink()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 64
    path.write_bytes(content)


def a_list(path: Path) -> None:
    path.write_text("[]")


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def deep(path: Path) -> None:
    path.write_text("[" * 100_000)


OURS, MINARI, ARROW = "metadata.json", "train-v0/data/metadata.json", "train-v0/data/2/part-0.arrow"
NAMED: dict[str, tuple[str, Damage, str]] = {
    "truncated": (OURS, truncated, r"metadata\.json is damaged"),
    "deep": (OURS, deep, r"metadata\.json is damaged"),
    "binary": (OURS, binary, r"metadata\.json is damaged"),
    "list": (OURS, a_list, r"metadata\.json holds no JSON object"),
    "no shape": (OURS, changed(observation_shape=None), r"metadata\.json: 'observation_shape' is missing"),
    "bad shape": (OURS, changed(observation_shape=[16, -1]), r"'observation_shape' is \[16, -1\], not a list of whole"),
    "other shape": (OURS, changed(observation_shape=[8, 16, 1]), r"episode 3 has observations .* says 4 observations"),
    "bad dtype": (OURS, changed(observation_dtype="object"), r"'observation_dtype' is 'object', not uint8 or float32"),
    "other dtype": (OURS, changed(observation_dtype="float32"), r"observations .* of uint8 .* of float32"),
    "no splits": (OURS, changed(splits=None), r"'splits' is missing"),
    "bad splits": (OURS, changed(splits={"train": 3}), r"'splits' is \{'train': 3\}, not an object of splits"),
    "no bounds": (OURS, changed(action_low=None), r"metadata\.json: action_low is missing"),
    "text bounds": (OURS, changed(action_high=["a"]), r"metadata\.json: action_high is \['a'\]"),
    "newer": (OURS, changed(schema=2), r"schema is 2, this version reads 1: install a newer latentrl"),
    "goal elsewhere": (
        OURS,
        changed(goal="../../secret.png"),
        r"'goal' is '../../secret\.png', not the name of a file",
    ),
    "fewer claimed": (
        MINARI,
        changed(total_episodes=3),
        r"data/metadata\.json is damaged \(total_episodes is 3, not 4",
    ),
    "minari truncated": (MINARI, truncated, r"train-v0/data/metadata\.json is damaged"),
    "minari missing": (MINARI, missing, r"train-v0/data/metadata\.json is missing"),
    "minari list": (MINARI, a_list, r"train-v0/data/metadata\.json is damaged \(it holds no JSON object"),
    "minari newer": (MINARI, changed(minari_version="99.0"), r"train-v0/data/metadata\.json is damaged .*99\.0"),
    "no space": (MINARI, changed(observation_space=None, env_spec="{}"), r"damaged \('observation_space is no text"),
    "odd space": (MINARI, changed(observation_space="{}"), r"train-v0/data/metadata\.json is damaged"),
    "arrow truncated": (ARROW, truncated, r"train-v0/data/2/part-0\.arrow is damaged"),
    "arrow empty": (ARROW, emptied, r"train-v0/data/2/part-0\.arrow is damaged"),
    "arrow missing": (ARROW, missing, r"train-v0/data/2(/part-0\.arrow)? is (missing|damaged)"),
    "a bit": (ARROW, flipped, r"train"),
}


@pytest.mark.parametrize("kind", list(NAMED))
def test_damage_is_named(data: Path, kind: str) -> None:
    file, damage, message = NAMED[kind]
    damage(data / file)
    with pytest.raises(UserError, match=message) as caught:
        storage.load_sequences(data, "train")
    assert "\n" not in str(caught.value)


def test_the_cure_gives_the_same_data(whole: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flipped(data / ARROW)
    with pytest.raises(UserError) as caught:
        storage.load_sequences(data, "train")
    cure = str(caught.value).split("record it again with ")[1].partition("; or, where")[0]
    words = shlex.split(cure)
    assert words[:3] == ["python", "-m", "latentrl.collect"]
    latentrl.collect.main(words[3:])
    assert digest(data, "train") == digest(whole, "train")
    storage.load_sequences(data, "train")


def test_metadata_that_are_beyond_repair_can_be_recorded_over(data: Path) -> None:
    truncated(data / OURS)
    with pytest.raises(UserError, match=r"latentrl\.collect --out \S+ --overwrite and its former options"):
        storage.load_metadata(data)
    collect(CollectOptions(out=data, sequences=2, test_sequences=2, length=4, num_envs=2, overwrite=True))
    assert storage.load_metadata(data)["splits"]["train"]["sequences"] == 2


def test_the_checksum_is_of_the_split_alone_and_of_all_of_it(whole: Path, data: Path) -> None:
    metadata = storage.load_metadata(whole)
    assert digest(whole, "train") == digest(data, "train") == known_digest(metadata, "train")
    assert digest(whole, "train") != digest(whole, "test")
    (data / "train-v0" / "data" / "3").rename(data / "train-v0" / "data" / "4")
    assert digest(data, "train") != digest(whole, "train")


def test_folders_of_earlier_versions_load(whole: Path, data: Path) -> None:
    changed(sha256=None, schema=None)(data / OURS)
    assert known_digest(storage.load_metadata(data), "train") is None
    assert (storage.load_sequences(data, "train").actions == storage.load_sequences(whole, "train").actions).all()


def test_a_mapped_copy_of_other_data_is_made_again(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAPPED_FROM", 1)
    seen = storage.load_sequences(data, "train").observations.clone()
    # The same last episode, and another first one.
    changed(sha256=None)(data / OURS)
    copy = data / "train-v0" / "data"
    shutil.copy(copy / "1" / "part-0.arrow", copy / "0" / "part-0.arrow")
    storage.update_metadata(data, "train", _layout(data), 4, storage.load_metadata(data))
    again = storage.load_sequences(data, "train").observations
    assert (again[1:] == seen[1:]).all() and (again[0] == seen[1]).all() and (again[0] != seen[0]).any()


def _layout(data: Path) -> Any:
    from latentrl.data_collection.writer import Layout

    return Layout({"observations": [4, 16, 16, 1], "actions": [3, 1]}, "uint8")


def test_a_link_in_place_of_the_mapped_copy_is_not_followed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").write_text("here")
    (data / "train-v0" / "mapped").symlink_to(mine)
    monkeypatch.setattr(storage, "MAPPED_FROM", 1)
    storage.load_sequences(data, "train")
    assert [path.name for path in mine.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("file", r"is a file, not a data folder"),
        ("dangling", r"is a link to .*, which does not exist"),
        ("empty", r"is no data folder \(it has no metadata\.json\): give another, or make one with"),
        ("missing", r"latentrl\.collect --out .*/data, or of recordings that are there with .* SOURCE --out .*/data$"),
        ("a run", r"is no data folder but a run's, whose data was in data/mine, which is not there now"),
        ("below a file", r"cannot be read \(Not a directory\)"),
        ("long", r"cannot be read \(File name too long\)"),
    ],
)
def test_what_is_no_data_folder_is_told(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / ("x" * 300 if kind == "long" else "data")
    if kind == "file":
        path.write_text("")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "empty":
        path.mkdir()
    elif kind == "a run":
        path.mkdir()
        (path / "settings.json").write_text('{"options": {"data": "data/mine"}}')
    elif kind == "below a file":
        path.write_text("")
        path = path / "data"
    with pytest.raises(UserError, match=message):
        storage.load_metadata(path)


def test_a_split_that_the_metadata_do_not_know_is_written_over(whole: Path, data: Path) -> None:
    metadata = storage.load_metadata(data)
    changed(splits={"test": metadata["splits"]["test"]})(data / OURS)
    from latentrl.types import Trajectory

    sequences = storage.load_sequences(whole, "train")
    written = [Trajectory(x.numpy(), u.numpy()) for x, u in zip(sequences.observations, sequences.actions, strict=True)]
    storage.write(data, "train", written[:3], metadata)
    assert len(storage.load_sequences(data, "train")) == 3
