"""The verb that takes recordings: what it writes, what it says, what it refuses, and the way from there to control."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentrl.data_collection import storage
from latentrl.import_recordings import main
from latentrl.support.errors import UserError
from latentrl.types import Sequences
from tests import table
from tests.conformance.sources import write_film
from tools.pictures import huge_picture

Stored = dict[str, np.ndarray]


def log(folder: Path, lengths: list[int], change: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> list[Stored]:
    """Recordings of the ball as .npz in ``folder``, changed as asked; what was written."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    made = [change(table.recorded(rng, frames)) for frames in lengths]
    for number, one in enumerate(made):
        np.savez(folder / f"rec_{number}.npz", **one)
    return made


def loaded(folder: Path) -> tuple[dict[str, Any], dict[str, Sequences]]:
    """Metadata and both splits."""
    return storage.load_metadata(folder), {name: storage.load_sequences(folder, name) for name in ("train", "test")}


def held(folder: Path, split: str) -> list[str]:
    """Names of the recordings in a split, as the data folder tells them."""
    return list(dict.fromkeys(name for name, _ in json.loads((folder / "recordings.json").read_text())[split]))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a refusal prints; nothing else is left."""
    with pytest.raises(SystemExit) as stopped:
        main([str(one) for one in arguments])
    assert stopped.value.code == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


def test_every_sequence_is_a_piece_of_one_recording(tmp_path: Path) -> None:
    """Frames, actions and truth against slices of what was written, and no recording in both splits."""
    made = log(tmp_path / "log", [9, 14, 5, 10, 12, 4])
    out = tmp_path / "data"
    main(
        [
            *map(
                str,
                (tmp_path / "log", "--out", out, "--length", 5, "--stride", 2, "--truth", "ball", "--test-share", 0.4),
            )
        ]
    )
    metadata, splits = loaded(out)
    names = {split: held(out, split) for split in splits}
    assert sorted(names["train"] + names["test"]) == [f"rec_{n}" for n in range(5)] and len(names["test"]) == 2
    for name, sequences in splits.items():
        truth = storage.load_ground_truth(out, name)["ball"]
        pieces = []
        for recording in names[name]:
            one = made[int(recording.removeprefix("rec_"))]
            pieces += [(one, start) for start in range(0, len(one["frames"]) - 4, 2)]
        told = json.loads((out / "recordings.json").read_text())[name]
        assert [start for _, start in told] == [start for _, start in pieces]
        assert len(sequences) == len(pieces) == metadata["splits"][name]["sequences"]
        for n, (one, start) in enumerate(pieces):
            np.testing.assert_array_equal(sequences.observations[n], one["frames"][start : start + 5])
            np.testing.assert_array_equal(sequences.actions[n], one["actions"][start : start + 4].astype(np.float32))
            np.testing.assert_array_equal(truth[n], one["ball"][start : start + 5])


@pytest.mark.parametrize(("extra", "surplus"), [(0, "last"), (1, "last"), (1, "first")])
@pytest.mark.parametrize("every", [1, 3])
def test_a_single_recording_is_trained_on_and_tested_on_with_a_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every: int, extra: int, surplus: str
) -> None:
    """Every step against the recording: no frame of the gap, and actions where they belong, however they are stored."""

    def stored(one: dict[str, Any]) -> dict[str, Any]:
        more = np.zeros((extra, 2))
        order = (one["actions"], more) if surplus == "last" else (more, one["actions"])
        return {**one, "actions": np.concatenate(order)}

    kept = 50
    (made,) = log(tmp_path / "log", [kept * every + 1 - every], stored)
    shift, out = extra * (surplus == "first"), tmp_path / "data"
    words = f"--length 8 --stride 3 --every {every} --every-actions last --surplus-action {surplus} --truth ball"
    main([str(tmp_path / "log"), "--out", str(out), *words.split()])
    _, splits = loaded(out)
    told = json.loads((out / "recordings.json").read_text())
    for name, sequences in splits.items():
        truth = storage.load_ground_truth(out, name)["ball"]
        assert len(sequences) == len(told[name]) > 0
        for n, (recording, start) in enumerate(told[name]):
            assert recording == "rec_0" and start % every == 0
            at = slice(start, start + 7 * every + 1, every)
            np.testing.assert_array_equal(sequences.observations[n], made["frames"][at])
            np.testing.assert_array_equal(truth[n], made["ball"][at])
            acted = made["actions"][start + shift + every - 1 :: every][:7]
            np.testing.assert_array_equal(sequences.actions[n], acted.astype(np.float32))
    last = max(start for _, start in told["train"]) + 7 * every
    assert min(start for _, start in told["test"]) - last > 8 * every
    said = capsys.readouterr().out
    assert ("latentrl.inspect" in said) == (len(splits["train"]) >= 25), "200 frames are the least it takes"
    assert "a single recording: its end is held out" in said and f"train        rec_0, frames 0 to {31 * every}" in said


def test_a_single_recording_that_is_too_short_to_be_cut_says_what_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path / "log", [20])
    message = refused(capsys, tmp_path / "log", "--out", tmp_path / "a", "--length", 8)
    assert "sequences of 8 take 24" in message and "--length 6" in message
    main([str(tmp_path / "log"), "--out", str(tmp_path / "a")])
    assert loaded(tmp_path / "a")[1]["train"].length == 6


def test_the_summary_says_what_became_what_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stored(one: dict[str, Any]) -> dict[str, Any]:
        frames = np.moveaxis(one["frames"], -1, 1) / 255.0
        return {
            "frames": frames,
            "actions": np.concatenate((one["actions"], one["actions"][-1:])),
            "extra": one["ball"],
        }

    made = log(tmp_path / "my log", [10, 13, 4, 10], stored)
    out = tmp_path / "the data"
    main([str(tmp_path / "my log"), "--out", str(out), "--length", "5", "--fps", "10", "--seed", "3"])
    said = capsys.readouterr().out
    for words in (
        "recordings   4 (arrays), 37 frames",
        "frames: 48 x 64 x 3 uint8, 0.1 s apart",
        "the least and the largest recorded",
        "left out     18.9% of the frames",
        "too short    rec_2: fewer than 5 frames",
        "not used     extra",
        "float64 from 0 to 1, so times 255 -> uint8",
        "channels first -> last",
        "actions: float64 -> float32",
        "as many actions as frames in 4 recordings: the last action is left out",
    ):
        assert words in said, words
    metadata, splits = loaded(out)
    shown = np.concatenate([one.observations.numpy().reshape(-1, 48, 64, 3) for one in splits.values()])
    written = [np.moveaxis(one["frames"], 1, -1)[: len(one["frames"]) // 5 * 5] for one in made]
    assert {one.tobytes() for one in shown} == {
        np.rint(255 * one).astype(np.uint8).tobytes() for w in written for one in w
    }
    acted = np.concatenate([made[n]["actions"][:-1] for n in (0, 1, 3)])
    np.testing.assert_allclose(metadata["action_low"], acted.min(0), rtol=1e-6)
    np.testing.assert_allclose(metadata["action_high"], acted.max(0), rtol=1e-6)
    assert metadata["env_id"] is None and metadata["pixels"] == [48, 64] and metadata["control_step"] == 0.1
    commands = [shlex.split(line.removeprefix("next: ")) for line in said.splitlines() if line.startswith("next: ")]
    assert commands[-1] == ["python", "-m", "latentrl.train", "--data", str(out)]


def test_pictures_are_cropped_resized_and_thinned_with_their_goal(tmp_path: Path) -> None:
    made = log(tmp_path / "log", [12, 13])
    command = (
        f"--size 12x10 --crop 0,4,48,40 --grey --every 3 --length 4 --fps 30 --goal rec_1:-4 --out {tmp_path / 'a'}"
    )
    main([str(tmp_path / "log"), *command.split()])
    metadata, splits = loaded(tmp_path / "a")
    assert metadata["pixels"] == [12, 10] and metadata["grey"] and metadata["crop"] == [0, 4, 48, 40]
    assert metadata["repeat"] == 3 and metadata["control_step"] == pytest.approx(0.1) and metadata["goal"] == "goal.png"
    (name,) = held(tmp_path / "a", "train")
    one = made[int(name[-1])]

    def small(frame: np.ndarray) -> np.ndarray:
        image = Image.fromarray(frame[:, 4:44]).resize((10, 12), Image.Resampling.BILINEAR)
        return np.asarray(image.convert("L"))[..., None]

    np.testing.assert_array_equal(splits["train"].observations[0], [small(one["frames"][n]) for n in (0, 3, 6, 9)])
    np.testing.assert_allclose(splits["train"].actions[0, 0], one["actions"][:3].mean(0), rtol=1e-6)
    with Image.open(tmp_path / "a" / "goal.png") as goal:
        np.testing.assert_array_equal(np.asarray(goal)[..., None], small(made[1]["frames"][-4]))

    Image.fromarray(made[1]["frames"][-4]).save(tmp_path / "photo.png")
    photo = command.replace("rec_1:-4", str(tmp_path / "photo.png")).replace(str(tmp_path / "a"), str(tmp_path / "b"))
    main([str(tmp_path / "log"), *photo.split()])
    assert (tmp_path / "b" / "goal.png").read_bytes() == (tmp_path / "a" / "goal.png").read_bytes()


def test_readings_are_put_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = log(tmp_path / "log", [8, 8, 8], lambda one: {"u": one["actions"], "q": one["ball"], "n": np.arange(8)})
    (tmp_path / "goal.json").write_text("[0.5, 0.25, 7]")
    main([*map(str, (tmp_path / "log", "--out", tmp_path / "data", "--observation", "q:0,2", "n", "--length", 8)),
          "--goal", str(tmp_path / "goal.json"), "--action-low", "-1", "--action-high", "2"])  # fmt: skip
    metadata, splits = loaded(tmp_path / "data")
    assert metadata["pixels"] is None and metadata["action_low"] == [-1, -1] and metadata["action_high"] == [2, 2]
    (name,) = held(tmp_path / "data", "test")
    expected = np.column_stack((made[int(name[-1])]["q"][:, [0, 2]], np.arange(8)))
    np.testing.assert_array_equal(splits["test"].observations[0], expected.astype(np.float32))
    assert json.loads((tmp_path / "data" / "goal.json").read_text()) == [0.5, 0.25, 7.0]
    assert "q:0,2: float64 -> float32" in capsys.readouterr().out


def with_nan(one: dict[str, Any]) -> dict[str, Any]:
    actions = one["actions"].copy()
    actions[5, 1] = np.nan
    return {**one, "actions": actions}


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (with_nan, [], r"rec_0: actions, step 5, entry 1: is nan"),
        (lambda one: {**one, "actions": one["actions"][:-2]}, [], r"rec_0: has 9 frames and 6 actions; .* 8, .* 9"),
        (lambda one: {**one, "frames": one["frames"] * 3.0}, [], r"frames .* goes from .* to .*: give pictures from 0"),
        (
            lambda one: {**one, "actions": one["actions"] * [1, 0]},
            [],
            r"entry 1 of the actions is always .* --actions actions:0",
        ),
        (
            dict,
            ["--action-low", "0", "--action-high", "2"],
            r"rec_\d, from frame 0: actions, step \d+, entry \d is -[\d.]+, out",
        ),
        (dict, ["--action-low", "0", "0", "0"], r"--action-low 0 0 0: give 2 finite numbers"),
        (dict, ["--action-low", "3"], r"--action-low 3: lies above the largest action"),
        (
            dict,
            ["--observation", "camera"],
            r"--observation camera: is none of its keys.* frames \(uint8, 48 x 64 x 3\)",
        ),
        (dict, ["--observation", "frames", "ball"], r"--observation frames ball: several, with a picture among them"),
        (dict, ["--observation", "ball", "--size", "9"], r"--size: belongs to pictures"),
        (dict, ["--size", "48x"], r"--size 48x: give one number"),
        (
            dict,
            ["--crop", "0,0,48,65"],
            r"--crop 0,0,48,65: goes beyond the recorded picture, which is 48 pixels high and 64",
        ),
        (dict, ["--crop", "1,2,3"], r"--crop 1,2,3: give TOP,LEFT,HEIGHT,WIDTH"),
        (dict, ["--length", "10"], r"--length 10: the longest recording has 9 frames"),
        (dict, ["--length", "9", "--every", "2"], r"--length 9: the longest recording has 5 frames \(every 2\)"),
        (dict, ["--length", "1"], r"--length 1: give 2 or more"),
        (dict, ["--every", "0"], r"--every 0: give 1 or more"),
        (dict, ["--fps", "10", "--control-step", "0.1"], r"--fps and --control-step: give one"),
        (dict, ["--fps", "-1"], r"--fps -1: give a number above 0"),
        (dict, ["--format", "hdf"], r"--format hdf: choose one of"),
        (dict, ["--goal", "nowhere.png"], r"--goal nowhere.png: there is no such file"),
        (dict, ["--goal", "rec_9:1"], r"--goal rec_9:1: there is no file and no recording rec_9; .* rec_0, rec_1"),
        (dict, ["--goal", "rec_1:9"], r"--goal rec_1:9: rec_1 has the frames 0 to 8"),
        (dict, ["--test-share", "1"], r"--test-share 1: give a share between 0 and 1"),
        (dict, ["--seed", "-1"], r"--seed -1: give a whole number from 0 to 4294967295"),
        (dict, ["--seed", str(2**70)], rf"--seed {2**70}: give a whole number from 0 to"),
        (dict, ["--size", "1000000"], r"--size 1000000: give one number of pixels, up to"),
        (dict, ["--fps", "1e-320"], r"--fps 1e-320|--fps 9\.\d+e-321: give a number above 0"),
        (dict, ["--action-high", "1e39"], r"--action-high 1e\+39: give 2 finite numbers"),
        (dict, ["--actions", "actions:0,0"], r"--actions actions:0,0: is given with --actions"),
        (
            dict,
            ["--observation", "ball", "--actions", "ball:2,3"],
            r"--actions ball:2,3: is given with --observation ball",
        ),
        (lambda one: {**one, "actions": one["actions"] * 1e300}, [], r"rec_0: actions, step 0, entry \d: is .*e\+\d+"),
        (lambda one: {**one, "actions": one["actions"][:, :0]}, [], r"--actions actions: has no numbers"),
        (lambda one: {**one, "frames": one["frames"] * 0}, [], r"all observations are the same"),
        (lambda one: {**one, "frames": one["frames"] // 128}, [], r"rec_0: frames: no value is above 1, where 255"),
        (lambda one: {key: value[:0] for key, value in one.items()}, [], r"the longest recording has 0 frames"),
    ],
)
def test_what_no_model_can_be_trained_on_is_refused(
    change: Any, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By flag or by recording, key, step and value; nothing is left."""
    log(tmp_path / "log", [9, 9, 9], change)
    said = refused(capsys, tmp_path / "log", "--out", tmp_path / "out" / "data", *arguments)
    assert re.search(message, said), said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_recordings_that_differ_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = log(tmp_path / "log", [5, 5, 5])
    np.savez(tmp_path / "log" / "rec_1.npz", frames=made[1]["frames"])
    assert "rec_1: has no actions, rec_0 has" in refused(capsys, tmp_path / "log", "--out", tmp_path / "data")
    np.savez(tmp_path / "log" / "rec_1.npz", frames=made[1]["frames"] / 255, actions=made[1]["actions"])
    assert "rec_1: frames is float64, in rec_0 uint8" in refused(capsys, tmp_path / "log", "--out", tmp_path / "data")
    np.savez(tmp_path / "log" / "rec_1.npz", frames=made[1]["frames"][:, :40], actions=made[1]["actions"])
    assert "rec_1: a step of frames is [40, 64, 3], in rec_0 [48, 64, 3]" in refused(
        capsys, tmp_path / "log", "--out", tmp_path / "data"
    )
    np.savez(tmp_path / "log" / "rec_1.npz", frames=np.array([made[1], None], object), actions=made[1]["actions"])
    assert "'frames' holds pickled Python objects" in refused(capsys, tmp_path / "log", "--out", tmp_path / "data")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("deep", "has Pillow's mode I;16; save it with eight bits"),
        ("turned", "is stored turned (EXIF orientation 3)"),
        ("moving", "holds 2 frames"),
        ("transparent", "has transparent pixels"),
        ("huge", "is 9000 pixels high and 9000 wide"),
    ],
)
def test_goals_that_are_not_what_people_see_are_refused(
    tmp_path: Path, kind: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path / "log", [9, 9])
    goal = tmp_path / "goal.png"
    if kind == "huge":
        goal.write_bytes(huge_picture(9_000))
    elif kind == "deep":
        Image.fromarray(np.full((48, 64), 60_000, np.uint16)).save(goal)
    elif kind == "transparent":
        Image.new("P", (64, 48)).save(goal, transparency=0)
    else:
        exif = Image.Exif()
        if kind == "turned":
            exif[0x0112] = 3
        picture, more = Image.new("RGB", (64, 48)), [Image.new("RGB", (64, 48), "red")]
        picture.save(goal, exif=exif, save_all=kind == "moving", append_images=more if kind == "moving" else [])
    said = refused(capsys, tmp_path / "log", "--out", tmp_path / "data", "--goal", goal, "--length", 5)
    assert told in said and not (tmp_path / "data").exists()


def test_a_goal_of_another_camera_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(tmp_path / "log", [5, 5])
    Image.new("RGB", (60, 48)).save(tmp_path / "goal.png")
    said = refused(capsys, tmp_path / "log", "--out", tmp_path / "data", "--goal", tmp_path / "goal.png", "--length", 5)
    assert "is 48 pixels high and 60 wide, recorded frames are 48 and 64" in said


def test_a_folder_that_is_there_stays_unless_it_is_to_be_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path / "log", [5, 5, 5])
    arguments = [str(tmp_path / "log"), "--out", str(tmp_path / "data"), "--length", "5"]
    main(arguments)
    assert "exists already: give --overwrite" in refused(capsys, *arguments)
    (tmp_path / "notes").mkdir()
    assert "is no data folder, so it stays" in refused(capsys, arguments[0], "--out", tmp_path / "notes", "--overwrite")
    for out in (tmp_path, tmp_path / "log", tmp_path / "log" / "data"):
        assert "stay what they are" in refused(capsys, arguments[0], "--out", out, "--overwrite")
    main([*arguments, "--overwrite", "--grey"])
    assert storage.load_metadata(tmp_path / "data")["observation_shape"] == [48, 64, 1]


def test_ctrl_c_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(tmp_path / "log", [5, 5, 5])
    import latentrl.recordings.writing
    from latentrl.data_collection.checks import check_trajectory

    calls: list[str] = []

    def interrupted(*arguments: Any) -> None:
        check_trajectory(*arguments)
        calls.append(arguments[1])
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(latentrl.recordings.writing, "check_trajectory", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "log"), "--out", str(tmp_path / "out" / "data"), "--length", "5"])
    assert stopped.value.code == 130 and not (tmp_path / "out").exists()


def test_long_recordings_pass_through_in_pieces(tmp_path: Path) -> None:
    """A recording's frames are never in memory all at once: blocks are read only as windows are written."""
    import tracemalloc

    (tmp_path / "log").mkdir()
    frames = np.zeros((1500, 48, 64, 3), np.uint8)
    frames[:, 0, 0, 0] = np.arange(1500) % 251
    for number in range(2):
        np.savez_compressed(tmp_path / "log" / f"r{number}.npz", frames=frames, actions=np.random.rand(1499, 1))  # noqa: NPY002
    whole = frames.nbytes
    del frames
    tracemalloc.start()
    main([str(tmp_path / "log"), "--out", str(tmp_path / "data"), "--length", "20", "--size", "12x16"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.35 * whole


def test_the_walk_from_a_log_to_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By command lines alone, as documented: import, train, learn, and judged in an environment of the same table."""
    from latentrl.evaluate import main as evaluate
    from latentrl.learn import main as learn
    from latentrl.train import main as train

    monkeypatch.chdir(tmp_path)
    table.write_log(tmp_path / "log", 6, 8, 20)
    (tmp_path / "log" / "rec_000.npz").rename(tmp_path / "log" / "a name with spaces.npz")
    main(shlex.split("log --out data/ball --goal goal.png --truth ball --fps 10 --size 12x16 --length 8"))
    train(shlex.split("--data data/ball --state-size 4 --position-size 2 --steps 6 --device cpu --no-progress"))
    said = capsys.readouterr().out
    assert "runs/ball" in said
    learn(shlex.split("--run runs/ball --goal data/ball/goal.png --updates 2"))
    assert (tmp_path / "runs/ball/policy.safetensors").is_file()
    evaluate(
        shlex.split(
            f"--run runs/ball --env {table.ENV_ID} --goal data/ball/goal.png --agent cem --episodes 2 --steps 4"
        )
    )
    assert list((tmp_path / "runs/ball").glob("evaluation_cem*.json"))


def test_films_with_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a header of which some columns are actions, and one that is ground truth; a goal out of a film."""
    (tmp_path / "films").mkdir()
    rng = np.random.default_rng(0)
    made = [table.recorded(rng, 8) for _ in range(3)]
    for number, one in enumerate(made):
        write_film(tmp_path / "films" / f"run {number}.gif", one["frames"])
        rows = [["time", "action_x", "action_y", "place", "remark"]]
        actions = np.concatenate((one["actions"], [[0, 0]]))
        rows += [[str(n / 10), *map(str, actions[n]), str(one["ball"][n, 0]), "fine"] for n in range(8)]
        (tmp_path / "films" / f"run {number}.csv").write_text("\n".join(";".join(row) for row in rows))
    main(
        [
            *map(str, (tmp_path / "films", "--out", tmp_path / "data", "--truth", "place", "--length", 8)),
            "--goal",
            "run 1:3",
        ]
    )
    metadata, splits = loaded(tmp_path / "data")
    assert metadata["origin"]["actions"] == ["action_x", "action_y"] and metadata["control_step"] == pytest.approx(0.1)
    (name,) = held(tmp_path / "data", "test")
    one = made[int(name[-1])]
    np.testing.assert_allclose(splits["test"].actions[0], one["actions"], rtol=1e-6)
    assert np.abs(splits["test"].observations[0].numpy() - one["frames"].astype(float)).mean() < 4, (
        "a palette's colours"
    )
    np.testing.assert_allclose(storage.load_ground_truth(tmp_path / "data", "test")["place"][0], one["ball"][:, 0])
    assert "as many actions as frames in 3 recordings" in capsys.readouterr().out
    (tmp_path / "films" / "run 1.csv").write_text("1,2\n3\n")
    assert "run 1.csv, line 2: has 1 cells, the first line 2" in refused(
        capsys, tmp_path / "films", "--out", tmp_path / "b"
    )
    (tmp_path / "films" / "run 1.csv").unlink()
    assert "run 1.gif: has no run 1.csv beside it" in refused(capsys, tmp_path / "films", "--out", tmp_path / "b")


def test_logs_of_sensors_in_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as from arrays, number for number, and the rate from the times."""
    rng = np.random.default_rng(0)
    (tmp_path / "csv").mkdir()
    (tmp_path / "npz").mkdir()
    for number in range(4):
        one = {"time": np.arange(12) / 50, **{name: rng.normal(size=12) for name in ("sin", "cos", "torque", "angle")}}
        np.savez(tmp_path / "npz" / f"run_{number}.npz", **one)  # type: ignore[arg-type]
        rows = [",".join(one), *(",".join(map(repr, map(float, row))) for row in zip(*one.values(), strict=True))]
        (tmp_path / "csv" / f"run_{number}.csv").write_text("\n".join(rows))
    named = ["--observation", "sin", "cos", "--actions", "torque", "--truth", "angle", "--length", "5"]
    for form, more in (("csv", []), ("npz", ["--fps", "50"])):
        main([str(tmp_path / form), *named, *more, "--goal", "run_2:3", "--out", str(tmp_path / f"{form}_data")])
    metadata, splits = loaded(tmp_path / "csv_data")
    assert metadata["control_step"] == pytest.approx(0.02) and metadata["origin"]["format"] == "tables"
    for split, expected in loaded(tmp_path / "npz_data")[1].items():
        assert splits[split].observations.equal(expected.observations) and splits[split].actions.equal(expected.actions)
    main([str(tmp_path / "csv"), *named, "--goal", "[0.5, -1]", "--out", str(tmp_path / "goal")])
    assert json.loads((tmp_path / "goal" / "goal.json").read_text()) == [0.5, -1.0]
    for written, told in (
        (
            "[2000, .45]",
            "--goal [2000, .45]: is no JSON at '.45', character 8; write 0.45; give a JSON list of 2 numbers",
        ),
        ("[1, NaN]", "--goal [1, NaN]: number 1 is nan, counted from 0; give finite numbers"),
        ("[1, 1e39]", "--goal [1, 1e39]: number 1 is inf"),
        ('["a", 1]', "readings are observed; give a JSON list of 2 numbers"),
    ):
        assert told in refused(capsys, tmp_path / "csv", *named, "--goal", written)
    assert "--goal [0.5]: has the shape [1]" in refused(capsys, tmp_path / "csv", *named, "--goal", "[0.5]")
    # One alone, cut in time, at another rate; without times that are even there has to be one.
    log = tmp_path / "csv" / "run_0.csv"
    log.write_text(log.read_text().replace("\n0.04,", "\n0.05,"))
    assert "run_0.csv: 'time' goes from 0.02 to 0.05 after row 2" in refused(capsys, log, *named[:-2], "--length", 3)
    main([str(log), *named[:-2], "--length", "3", "--fps", "25", "--out", str(tmp_path / "one")])
    assert loaded(tmp_path / "one")[0]["control_step"] == pytest.approx(0.04)
    # Milliseconds look like hours; who says how long a step is is told nothing.
    slow = tmp_path / "slow.csv"
    slow.write_text("time,sin,torque\n" + "".join(f"{20 * row},{row % 7},{row % 3}\n" for row in range(40)))
    given: tuple[list[str], ...] = ([], ["--control-step", "0.02"])
    for more, said in zip(given, (True, False), strict=True):
        capsys.readouterr()
        out = tmp_path / f"slow{said}"
        main([str(slow), "--observation", "sin", "--actions", "torque", "--length", "5", *more, "--out", str(out)])
        assert ("a step takes 20 s" in capsys.readouterr().out.replace("\n", " ")) == said


BALL_TOML = """
[[coordinates]]
name = "across"
kind = "line"
key = "ball"
index = 0
unit = "m"

[tasks.middle]
pose = { across = 0.667 }
tolerance = { across = 0.1 }
hold = 2
steps = 6
"""


def test_a_declaration_goes_with_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(tmp_path / "log", [5, 5, 5])
    (tmp_path / "ball.toml").write_text(BALL_TOML)
    arguments = [str(tmp_path / "log"), "--length", "5", "--describe", str(tmp_path / "ball.toml")]
    note = "no coordinate is declared of ball, so that training reports no R² of it: say with --describe what its"
    main([*arguments[:-2], "--truth", "ball", "--out", str(tmp_path / "plain")])
    assert note in capsys.readouterr().out
    main([*arguments, "--out", str(tmp_path / "data")])
    assert "no coordinate is declared" not in capsys.readouterr().out
    metadata, _ = loaded(tmp_path / "data")
    assert metadata["coordinates"][0]["name"] == "across" and metadata["tasks"]["middle"]["hold"] == 2
    assert storage.load_ground_truth(tmp_path / "data", "test")["ball"].shape == (1, 5, 4), "without --truth"
    for change, message in (
        ('"ball"', "--describe: the coordinates' key puck: is none of its keys"),
        ("index = 0", "coordinate 'across': info['ball'] has the shape (4,) and the coordinate the index 4"),
    ):
        (tmp_path / "ball.toml").write_text(BALL_TOML.replace(change, {'"ball"': '"puck"'}.get(change, "index = 4")))
        assert message in refused(capsys, *arguments, "--out", tmp_path / "other")
        assert not (tmp_path / "other").exists()


def test_errors_reach_a_script_as_they_are(tmp_path: Path) -> None:
    from latentrl.import_recordings import ImportOptions, import_recordings

    with pytest.raises(UserError, match=r"there are no recordings in a known format; .* Minari"):
        import_recordings(ImportOptions(str(tmp_path / "nowhere"), out=tmp_path / "data"))
