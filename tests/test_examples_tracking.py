"""The example of tracking: its parts against what can be worked out by hand, and all of it to the end."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import partial
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import tracking
from examples.mot import motion
from examples.mot.boxes import overlaps
from examples.mot.challenge import DETECTIONS, Detections, Truth, Video, read_video, write_tracks, write_video
from examples.mot.crops import cut
from examples.mot.distances import DISTANCES, RUNS, Pixels, least
from examples.mot.scores import blameless, check_scorable, overall, scores
from examples.mot.sprites import write_sprites
from examples.mot.threshold import least_error
from examples.mot.tracker import NOBODY, Rules, Tracker, assigned
from latentrl.metrics.likelihood import log_likelihood
from latentrl.support.errors import UserError


@pytest.fixture(scope="module")
def sprites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "sprites"
    write_sprites(folder, seed=1, length=12, people=3, size=(96, 64))
    return folder


def copied(folder: Path, to: Path, name: str = "copy") -> Path:
    return Path(shutil.copytree(folder, to / name))


def truth_of(frames: list[int], who: list[int], lefts: list[float], **changes: np.ndarray) -> Truth:
    """Boxes of 10 x 10 pixels, 100 apart from each other."""
    count = len(frames)
    boxes = np.stack([np.array(lefts), np.zeros(count), *2 * [np.full(count, 10.0)]], 1)
    known = {"counts": np.ones(count, bool), "kinds": np.ones(count, np.int64), "visible": np.ones(count)}
    return Truth(np.array(frames), np.array(who), boxes, **{**known, **changes})


def video_of(truth: Truth | None, detections: Detections, length: int) -> Video:
    return Video(Path("nowhere"), "nowhere", length, 25.0, (1000, 100), detections, truth)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    found = Detections(np.array([0, 1, 1]), rng.uniform(1, 5, (3, 4)).round(3), rng.uniform(0, 1, 3).round(4))
    true = truth_of([0, 1], [3, 3], [0.0, 2.5], kinds=np.array([1, 7]), visible=np.array([0.25, 1.0]))
    write_video(tmp_path / "v", 12.5, pictures, found, true)
    video = read_video(tmp_path / "v")
    assert (video.name, video.length, video.rate, video.size) == ("v", 2, 12.5, (8, 6))
    np.testing.assert_array_equal(np.stack([np.asarray(video.picture(frame)) for frame in range(2)]), pictures)
    for mine, theirs in ((found, video.detections), (true, video.truth)):
        for name in mine.__dataclass_fields__:
            np.testing.assert_allclose(getattr(theirs, name), getattr(mine, name), atol=1e-9, err_msg=name)
    assert (tmp_path / "v" / DETECTIONS).read_text().startswith(f"1,-1,{found.boxes[0, 0] + 1:.3f},"), "from 1 on disk"
    assert len(read_video(tmp_path / "v", least=float(found.confidence.max())).detections.frames) == 1
    write_tracks(tmp_path / "tracks.txt", true.frames, true.identities, true.boxes)
    assert (tmp_path / "tracks.txt").read_text().splitlines()[1] == "2,3,3.500,1.000,10.000,10.000,1,-1,-1,-1"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("seqinfo.ini", None, "seqinfo.ini: is not there; give the folder of a video"),
        ("seqinfo.ini", lambda text: text.replace("seqLength=12", "seqLength=many"), "seqinfo.ini: is damaged"),
        ("seqinfo.ini", lambda text: text.replace("imDir=img1", "imDir=../img1"), "leads out of the folder"),
        ("seqinfo.ini", lambda text: text.replace("imDir=img1", "imDir=.."), "leads out of the folder"),
        ("seqinfo.ini", lambda text: text.replace(".png", ".p\0ng"), "holds a zero byte"),
        ("seqinfo.ini", lambda text: text.replace("seqLength=12", "seqLength=1000000"), "of at most 999999"),
        ("seqinfo.ini", lambda text: "no section\n" + text, r"seqinfo.ini: is damaged \([^\n]+\); give"),
        ("det/det.txt", None, "det.txt: is not there"),
        ("det/det.txt", lambda text: "", "det.txt: is empty"),
        ("det/det.txt", lambda text: "1,-1,5,5,x,9,1\n" + text, "det.txt, line 1: .*'x'; give numbers"),
        ("det/det.txt", lambda text: "1,-1,5,5,0,9,1\n" + text, "line 1: 1,-1,5,5,0,9,1 is no box"),
        ("det/det.txt", lambda text: "1,-1,5,5\n" + text, "line 1: has 4 numbers, of 7"),
        ("det/det.txt", lambda text: "13,-1,5,5,9,9,1\n" + text, "line 1: frame 13 of 12"),
        ("det/det.txt", lambda text: "1,-1,5,5,1e-300,1e-300,1\n" + text, "line 1: .* is no box"),
        ("det/det.txt", lambda text: "1,-1,5,-2e6,9,9,1\n" + text, "line 1: .* is no box"),
        ("gt/gt.txt", lambda text: text.rstrip()[:-9], "gt.txt, line 36: has 7 numbers, but the first row has 9"),
        ("gt/gt.txt", lambda text: "1,1.5,5,5,9,9,1,1,1\n" + text, "line 1: identity 1.5 is no whole number"),
        ("gt/gt.txt", lambda text: "1,1e9,5,5,9,9,1,1,1\n" + text, "line 1: identity 1000000000 is no whole number"),
        ("gt/gt.txt", lambda text: 2 * text, "gt.txt: an identity is in one frame twice"),
    ],
)
def test_a_folder_that_is_damaged_is_refused(sprites: Path, file: str, change: object, said: str) -> None:
    path = sprites / file
    text = path.read_text()
    try:
        if callable(change):
            path.write_text(change(text))
        else:
            path.unlink()
        with pytest.raises(UserError, match=said):
            read_video(sprites)
    finally:
        path.write_text(text)


def test_a_mark_of_the_byte_order_is_no_text(sprites: Path, tmp_path: Path) -> None:
    marked = copied(sprites, tmp_path)
    for name in ("seqinfo.ini", "det/det.txt", "gt/gt.txt"):
        (marked / name).write_bytes(b"\xef\xbb\xbf" + (marked / name).read_bytes())
    found, expected = read_video(marked), read_video(sprites)
    np.testing.assert_array_equal(found.detections.boxes, expected.detections.boxes)
    assert found.size == expected.size


def test_labels_are_left_alone_where_they_are_not_used(sprites: Path, tmp_path: Path) -> None:
    unread = copied(sprites, tmp_path)
    (unread / "gt" / "gt.txt").write_text("damaged")
    assert read_video(unread, labels=False).truth is None


def test_a_frame_of_another_size_is_refused(sprites: Path) -> None:
    path = sprites / "seqinfo.ini"
    text = path.read_text()
    path.write_text(text.replace("imWidth=96", "imWidth=95"))
    try:
        with pytest.raises(UserError, match=r"000003\.png: has 96 x 64 pixels, but .* says 95 x 64"):
            read_video(sprites).picture(2)
    finally:
        path.write_text(text)


def test_frames_are_missed_before_anything_is_made(
    sprites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    broken, other = copied(sprites, tmp_path), copied(sprites, tmp_path / "others", "other")
    options = tracking.Options((broken,), (other,), ("iou", "pixels"))
    tracking.check(options)
    with monkeypatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # a bomb is above twice this
        with pytest.raises(UserError, match=r"000001\.png: cannot be read \(Image size .* bomb"):
            tracking.check(options)
    for folder in (broken, other):
        picture = folder / "img1" / "000012.png"
        kept = picture.read_bytes()
        Image.new("RGB", (96, 65)).save(picture)
        with pytest.raises(UserError, match=r"000012\.png: has 96 x 65 pixels, but"):
            tracking.check(options)
        picture.unlink()
        with pytest.raises(UserError, match=r"000012\.png: cannot be read \(.*No such file"):
            tracking.check(options)
        picture.write_bytes(kept)
    (broken / "img1" / "000012.png").unlink()
    tracking.check(replace(options, distance=("iou",)))  # which looks at no frame


def test_a_made_up_video_is_the_same_again_and_hides_people(sprites: Path, tmp_path: Path) -> None:
    write_sprites(tmp_path / "again", seed=1, length=12, people=3, size=(96, 64))
    for name in ("det/det.txt", "gt/gt.txt", "img1/000012.png"):
        assert (tmp_path / "again" / name).read_bytes() == (sprites / name).read_bytes(), name
    video = read_video(sprites)
    assert video.truth is not None and len(video.truth.frames) == 36 and (video.truth.visible <= 1).all()
    own = overlaps(video.detections.boxes, video.truth.boxes)
    own[video.detections.frames[:, None] != video.truth.frames] = 0
    assert (own.max(1) > 0.5).mean() > 0.9, "detections lie where people are"


def test_crops_show_what_is_in_the_box() -> None:
    from PIL import Image

    picture = np.zeros((20, 30, 3), np.uint8)
    picture[5:15, 10:20] = (200, 100, 50)
    crops = cut(Image.fromarray(picture), np.array([[10.0, 5, 10, 10], [25, 15, 50, 50], [-90, -90, 5, 5]]), 4)
    assert crops.shape == (3, 4, 4, 3) and (crops[0, 1:3, 1:3] == (200, 100, 50)).all() and not crops[1:].any()


def test_overlaps_are_those_of_pixels() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.integers(1, 9, (6, 4)).astype(float)
    masks = np.zeros((6, 20, 20), bool)
    for mask, (left, top, wide, high) in zip(masks, boxes.astype(int), strict=True):
        mask[top : top + high, left : left + wide] = True
    both = (masks[:, None] & masks).sum((2, 3))
    np.testing.assert_allclose(overlaps(boxes, boxes), both / (masks[:, None] | masks).sum((2, 3)))


@pytest.mark.parametrize("seed", range(20))
def test_the_assignment_is_that_of_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 5, 2)
    cost, allowed = rng.normal(0, 10, (rows, columns)), rng.random((rows, columns)) < 0.5
    cost[~allowed] = np.inf
    best = (0, 0.0)
    for size in range(1, min(rows, columns) + 1):
        for some in combinations(range(rows), size):
            for others in permutations(range(columns), size):
                if allowed[some, others].all():
                    best = min(best, (-size, float(cost[some, others].sum())))
    found = assigned(cost, allowed)
    assert allowed[found[:, 0], found[:, 1]].all()
    assert (-len(found), cost[found[:, 0], found[:, 1]].sum()) == pytest.approx(best)


def test_even_motion_is_followed_through_a_gap() -> None:
    boxes = np.stack([np.array([10 + 3.0 * t, 20 - 1.0 * t, 12, 30]) for t in range(60)])
    belief = motion.begin(boxes[:1])
    for t in range(1, 40):
        belief = motion.update(motion.predict(belief), boxes[t : t + 1])
    for _ in range(10):
        belief = motion.predict(belief)
    np.testing.assert_allclose(motion.boxes_of(belief)[0], boxes[49], atol=0.5)
    apart = motion.deviations(belief, boxes[[49, 20]])
    assert apart[0, 0] < 0.1 and apart[0, 1] > motion.GATE
    expected = motion.measured(boxes[20:21])[0] - belief.mean[0, :4]
    covariance = belief.covariance[0, :4, :4] + (motion.PLACE * belief.mean[0, 3]) ** 2 * torch.eye(4).double()
    torch.testing.assert_close(apart[0, 1], expected @ covariance.inverse() @ expected)


def test_the_threshold_is_that_of_trying_all() -> None:
    rng = np.random.default_rng(0)
    same, different = rng.normal(1, 0.5, 40), rng.normal(2, 0.5, 70)
    tried = np.linspace(-1, 4, 20_001)[:, None]
    errors = (same > tried).mean(1) + (different <= tried).mean(1)
    limit = least_error(same, different)
    assert (same > limit).mean() + (different <= limit).mean() == pytest.approx(errors.min())
    assert least_error(same, np.empty(0)) == np.inf


def test_the_nearest_crop_of_a_track_counts() -> None:
    galleries = [torch.tensor([[0.0], [5.0]]), torch.tensor([[9.0]])]
    found = least(Pixels(), galleries, torch.tensor([[4.0], [10.0]]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 5.0], [5.0, 1.0]]))


def crossing(turn: bool) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Two who meet and are hidden for eight frames; they walk on, or turn round. Boxes, crops, who it is."""
    boxes, crops, who = [], [], []
    looks = np.stack([np.full((2, 2, 3), 250, np.uint8), np.zeros((2, 2, 3), np.uint8)])
    for t in range(60):
        walked = 2.0 * (t if t < 30 or not turn else 60 - t)
        there = np.array([[walked, 0, 20, 40], [120 - walked, 0, 20, 40]])
        hidden = 26 <= t < 34
        boxes.append(there[:0] if hidden else there)
        crops.append(looks[:0] if hidden else looks)
        who.append(np.array([] if hidden else [1, 2]))
    return boxes, crops, who


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("look", [False, True])
def test_looks_tell_who_turned_round_while_hidden(turn: bool, look: bool) -> None:
    boxes, crops, _ = crossing(turn)
    tracker = Tracker(Pixels() if look else None, 1.0, Rules(trials=1))
    found = [tracker.step(*one) for one in zip(boxes, crops, strict=True)]
    assert found[20].tolist() == [1, 2]
    mistaken = turn and not look
    assert found[-1].tolist() == ([2, 1] if mistaken else [1, 2])


def test_tracks_begin_on_trial_and_end_with_patience() -> None:
    box, crop = np.array([[0.0, 0, 10, 20]]), np.zeros((1, 2, 2, 3), np.uint8)
    tracker = Tracker(rules=Rules(patience=2, trials=3))
    seen = [int(tracker.step(box, crop)[0]) for _ in range(4)]
    assert seen == [NOBODY, NOBODY, 1, 1]
    for gap, expected in ((2, 1), (3, NOBODY)):
        for _ in range(gap):
            assert len(tracker.step(box[:0], crop[:0])) == 0
        assert tracker.step(box, crop)[0] == expected


def test_scores_are_those_counted_by_hand() -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    frames = [0, 0, 1, 1, 2, 2, 3, 3]
    true = truth_of(frames, [1, 2] * 4, [0.0, 100] * 4)
    boxes = np.concatenate((true.boxes, [[500.0, 0, 10, 10]]))
    detections = Detections(np.array([*frames, 3]), boxes, np.ones(9))
    # The first is 7, then 8 for good: a switch. The second is missed once; and somebody is seen where nobody is.
    found = scores(video_of(true, detections, 4), np.array([7, 9, 7, NOBODY, 8, 9, 8, 9, 5]))
    assert {name: found[name] for name in ("switches", "missed", "wrong", "boxes")} == {
        "switches": 1, "missed": 1, "wrong": 1, "boxes": 8,
    }  # fmt: skip
    assert found["mota"] == pytest.approx(1 - 3 / 8)
    # Identities that agree for longest: 1 with 7 (or 8), two boxes; 2 with 9, three; of 8 true and 8 found boxes.
    assert found["idf1"] == pytest.approx(2 * 5 / (8 + 8))
    together = overall([found, found])
    assert together["switches"] == 2 and together["idf1"] == found["idf1"] and together["mota"] == found["mota"]


def test_nobody_is_blamed_for_people_who_stand_still() -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    true = truth_of([0, 0, 0], [1, 2, 3], [0.0, 100, 200], kinds=np.array([1, 7, 1]), counts=np.array([1, 0, 0]) > 0)
    assert blameless(true, true.boxes).tolist() == [False, True, False]
    found = scores(video_of(true, Detections(np.zeros(3, int), true.boxes, np.ones(3)), 1), np.array([1, 2, 3]))
    assert (found["boxes"], found["missed"], found["wrong"]) == (1, 0, 1)


def test_without_truth_nothing_is_scored() -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    empty = Detections(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(
        UserError, match=r"gt\.txt: is not there, and nothing can be scored.* give videos of its folder"
    ):
        scores(video_of(None, empty, 1), np.zeros(0, int))


def test_where_nobody_counts_nothing_is_scored() -> None:
    true = truth_of([0, 0], [1, 2], [0.0, 100], kinds=np.array([1, 7]), counts=np.array([0, 1]) > 0)
    with pytest.raises(UserError, match=r"gt\.txt: nobody in it counts"):
        check_scorable(video_of(true, Detections(np.zeros(2, int), true.boxes, np.ones(2)), 1))


def test_every_distance_has_its_run_named() -> None:
    assert RUNS.keys() == DISTANCES.keys()


def test_all_of_it_goes_through_to_the_end_and_is_not_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    monkeypatch.setattr(tracking, "QUICK", tracking.Size(1, 1, 24, 4))
    monkeypatch.setattr("latentrl.metrics.static.log_likelihood", partial(log_likelihood, samples=4))
    out = tmp_path / "out"
    words = ["--quick", "--seeds", "1", "--out", str(out), "--position-size", "3", "--crop", "8"]
    tracking.main(words)
    figures = json.loads((out / "figures.json").read_text())
    assert list(figures) == list(DISTANCES)
    for name, row in figures.items():
        assert row["boxes"]["mean"] == 24 * 4 and row["mota"]["mean"] <= 1
        assert ("switches_of_iou" in row) == (figures["iou"]["switches"]["mean"] > 0)
        assert (out / "seed0" / "tracks" / name / "scored-0.txt").is_file()
    said = capsys.readouterr().out
    assert (
        "no result" in said
        and re.search(r"^flat +\d", said, re.M)
        and said.splitlines()[-1].startswith("next: python -m examples.tracking")
    )
    tracking.main(words)
    assert "seed 0: fm-vae (done before)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        tracking.main([*words, "--patience", "5"])
    said = capsys.readouterr().err
    assert "belongs to a run with --patience 60, this one has --patience 5: give another --out" in said
    assert "--overlap" not in said


def test_a_folder_that_is_damaged_is_told_of(sprites: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    out = tmp_path / "out"
    options = tracking.Options((sprites,), distance=("iou",), out=out, seeds=1)
    tracking.run(options)
    for path in (out / "seed0" / "figures.json", out / "stages.json"):
        kept = path.read_text()
        for text in ("{", '{"a": 1}', '{"iou": {"overall": {"mota": null}}}', '{"identity": {}, "finished": 3}'):
            path.write_text(text)
            with pytest.raises(UserError, match=rf"{re.escape(str(path))}.* damaged .*: give another --out$"):
                tracking.run(options)
        path.write_text(kept)
    tracking.run(options)


def test_a_training_that_was_killed_before_its_settings_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[bool, bool]] = []
    monkeypatch.setattr(tracking, "train", lambda options: found.append((options.run.exists(), options.resume)))
    folder = tmp_path / "vhp-vae"
    folder.mkdir()
    (folder / "lock").touch()
    tracking.fit(tracking.Options(), "vhp-vae", tmp_path, 0)
    folder.mkdir()
    (folder / "settings.json").touch()
    tracking.fit(tracking.Options(), "vhp-vae", tmp_path, 0)
    assert found == [(False, False), (True, True)]


def test_it_is_said_where_there_is_no_pair_to_choose_a_threshold_by(
    sprites: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    options = tracking.Options(distance=("iou", "pixels"))
    write_sprites(tmp_path / "longer", seed=2, length=22, people=3, size=(96, 64))
    for learned, noted in ((sprites, True), (tmp_path / "longer", False)):
        tracking.follow_all(options, tmp_path / "home", (sprites,), (learned,))
        said = capsys.readouterr().out
        assert ("note: pixels: the videos that are learned from show no pair" in said) == noted and "iou" not in said


def test_switches_are_shares_of_those_of_boxes_where_there_are_any() -> None:
    def seed(iou: int, pixels: int) -> dict[str, dict[str, dict[str, float]]]:
        return {"iou": {"overall": {"switches": iou}}, "pixels": {"overall": {"switches": pixels}}}

    found = tracking.compared([seed(4, 2), seed(0, 3), seed(2, 2)])
    assert found["pixels"]["switches_of_iou"]["seeds"] == [0.5, 1.0]
    assert "switches_of_iou" not in tracking.compared([seed(0, 3)])["pixels"]


def test_videos_on_disk_are_taken_as_they_are(
    sprites: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("motmetrics", reason="pip install 'latentrl[mot]'")
    write_sprites(tmp_path / "other", seed=2, length=20, people=4, size=(96, 64))
    words = ["--videos", str(sprites), "--train-on", str(tmp_path / "other"), "--distance", "iou", "pixels"]
    tracking.main([*words, "--out", str(tmp_path / "out"), "--seeds", "1"])
    figures = json.loads((tmp_path / "out" / "seed0" / "figures.json").read_text())
    assert figures["iou"]["videos"]["sprites"]["boxes"] == figures["pixels"]["overall"]["boxes"] == 36
    assert figures["iou"]["threshold"] is None and figures["pixels"]["threshold"] > 0
    assert "next:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--distance", "cosine"], "--distance cosine: choose of iou"),
        (["--overlap", "0"], "--overlap 0: give a share above 0"),
        (["--crop", "0"], "--crop 0: give one or more"),
        (["--kappa", "-1"], "--kappa -1: give a positive number"),
        (["--kappa", "nan"], "--kappa nan: give a positive number"),
        (["--flat", "nan"], "--flat nan: give a positive number"),
        (["--flat", "0"], "--flat 0: give a positive number"),
        (["--confidence", "nan"], "--confidence nan: give a number"),
        (["--seed", "4294967294"], "--seed 4294967294 --seeds 3: the last is 4294967296"),
        (["--train-on", "a"], "--train-on: goes with --videos"),
        (["--videos", "a"], "--videos: give others with --train-on"),
        (["--videos", "a", "--train-on", "a"], "a: is scored too"),
        (["--videos", "a/x", "b/x", "--distance", "iou"], "--videos: two folders are called x"),
        (["--videos", "nowhere", "--distance", "iou"], "seqinfo.ini: is not there"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        tracking.main([*words, "--out", str(tmp_path / "out")])
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
