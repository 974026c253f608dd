"""Recordings with gaps: what is cut out of them, against a look at every window there could be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentrl.data_collection import storage
from latentrl.import_recordings import main
from latentrl.recordings.gaps import Gaps
from latentrl.recordings.recording import Key
from latentrl.recordings.span import Onward, Span
from latentrl.recordings.splitting import length_of_pieces, split_pieces_in_time
from latentrl.recordings.timing import kept_frames
from latentrl.support.errors import UserError

Log = dict[str, np.ndarray]
GIVEN = ["--observation", "q", "--actions", "u", "--truth", "speed"]


def made(frames: int, number: int, surplus: int = 0, rate: float = 50) -> Log:
    """A recording whose readings say which frame of which recording they are; ``surplus`` actions too many."""
    step, rng = np.arange(frames), np.random.default_rng(number)
    return {
        "q": np.column_stack((1000.0 * number + step, rng.normal(size=frames))),
        "u": rng.normal(size=(frames - 1 + surplus, 1)),
        "speed": rng.normal(size=frames),
        "time": step / rate,
    }


def spoiled(one: Log, seed: int, share: float = 0.04) -> Log:
    """The same with readings, truth and actions that are no numbers here and there, and with rows that are dropped."""
    rng = np.random.default_rng(seed)
    one = {key: values.copy() for key, values in one.items()}
    for key, value in (("q", np.nan), ("speed", np.inf), ("u", np.nan)):
        flat = one[key].reshape(len(one[key]), -1)
        flat[rng.random(len(flat)) < share, -1] = value
    for at in np.flatnonzero(rng.random(len(one["time"])) < share / 2):
        one["time"][at:] += 0.02
    return one


def stored(folder: Path, logs: list[Log]) -> Path:
    folder.mkdir()
    for number, one in enumerate(logs):
        np.savez(folder / f"rec_{number}.npz", **one)  # type: ignore[arg-type]
    return folder


def allowed(one: Log, first: int, frames: int, every: int = 1, surplus: str = "last") -> bool:
    """Whether nothing interrupts the frames from ``first`` on that a sequence of ``frames`` takes: by plain loops."""
    last = first + (frames - 1) * every
    if last >= len(one["q"]):
        return False
    shift = 1 if surplus == "first" and len(one["u"]) == len(one["q"]) else 0
    seen = all(np.isfinite(one["q"][t]).all() and np.isfinite(one["speed"][t]) for t in range(first, last + 1))
    acted = all(np.isfinite(one["u"][t + shift]).all() for t in range(first, last))
    return seen and acted and all(0.018 < one["time"][t + 1] - one["time"][t] < 0.022 for t in range(first, last))


def imported(source: Path, out: Path, *more: object) -> tuple[dict[str, Any], dict[str, list[tuple[str, int]]]]:
    """Metadata, and where the sequences of each split are from, once every one is found to be what it should."""
    main([str(source), *GIVEN, "--out", str(out), *map(str, more)])
    places = json.loads((out / "recordings.json").read_text())
    return storage.load_metadata(out), {name: [(one, first) for one, first in places[name]] for name in places}


def check_sequences(out: Path, logs: list[Log], every: int = 1, surplus: str = "last") -> None:
    """Every sequence against the recording: allowed, and made of the frames, actions and truth that it says."""
    for split, places in json.loads((out / "recordings.json").read_text()).items():
        sequences, truth = storage.load_sequences(out, split), storage.load_ground_truth(out, split)["speed"]
        assert len(places) == len(sequences) > 0
        for n, (name, first) in enumerate(places):
            one = logs[int(name.removeprefix("rec_"))]
            assert allowed(one, first, sequences.length, every, surplus)
            at = slice(first, first + (sequences.length - 1) * every + 1, every)
            np.testing.assert_array_equal(sequences.observations[n], one["q"][at].astype(np.float32))
            np.testing.assert_array_equal(truth[n], one["speed"][at])
            shift = 1 if surplus == "first" and len(one["u"]) == len(one["q"]) else 0
            between = [one["u"][t + shift : t + shift + every].mean(0) for t in range(first, at.stop - 1, every)]
            np.testing.assert_allclose(sequences.actions[n], between, rtol=1e-6)


@pytest.mark.parametrize(("extra", "surplus"), [(0, "last"), (1, "last"), (1, "first")])
def test_the_sequences_are_all_windows_that_nothing_interrupts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: int, surplus: str
) -> None:
    """With a stride of one there is a sequence wherever one is allowed, and nowhere else."""
    logs = [spoiled(made(90 + 5 * number, number, extra), seed=number) for number in range(6)]
    logs.append(made(40, 6, extra))
    # What is left out anyway may be no number.
    logs[6]["u"][0 if surplus == "first" else -1] = np.nan if extra else 0.0
    source = stored(tmp_path / "log", logs)
    how = ("--surplus-action", surplus, "--gaps", "cut", "--length", 6, "--stride", 1)
    metadata, places = imported(source, tmp_path / "data", *how)
    check_sequences(tmp_path / "data", logs, surplus=surplus)
    found = sorted(places["train"] + places["test"])
    expected = [(f"rec_{n}", t) for n, one in enumerate(logs) for t in range(len(one["q"]))]
    assert found == [(name, t) for name, t in expected if allowed(logs[int(name[4:])], t, 6, surplus=surplus)]
    assert not {name for name, _ in places["train"]} & {name for name, _ in places["test"]}
    assert metadata["origin"]["gaps"] == "cut"
    said = capsys.readouterr().out
    assert "cut in 6 of 7 recordings (" in said and "uneven step" in said and "of fewer than 6" in said


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_single_recording_with_gaps_is_split_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every: int, seed: int
) -> None:
    """The last pieces are held out, and the frames of a sequence before them are in neither."""
    logs = [spoiled(made(400 * every, 0), seed, share=0.02 / every)]
    source = stored(tmp_path / "log", logs)
    _, places = imported(source, tmp_path / "data", "--gaps", "cut", "--every", every, "--length", 5, "--stride", 2)
    check_sequences(tmp_path / "data", logs, every)
    reach = 4 * every
    assert min(t for _, t in places["test"]) - max(t + reach for _, t in places["train"]) > 5 * every
    share = len(places["test"]) / (len(places["test"]) + len(places["train"]))
    assert 0.08 < share < 0.35
    assert "rec_0 in " in capsys.readouterr().out


def test_clean_recordings_are_the_same_with_either_option(tmp_path: Path) -> None:
    """Byte by byte, of several recordings and of one."""
    for count in (5, 1):
        source = stored(tmp_path / f"log{count}", [made(70 + 3 * n, n, surplus=1) for n in range(count)])
        for gaps in ("refuse", "cut"):
            imported(source, tmp_path / f"{gaps}{count}", "--gaps", gaps, "--stride", 4)
        folders = [tmp_path / f"{gaps}{count}" for gaps in ("refuse", "cut")]
        kept, cut = (
            {str(path.relative_to(one)): path.read_bytes() for path in one.rglob("*") if path.is_file()}
            for one in folders
        )
        assert kept.keys() == cut.keys()
        assert {name for name in kept if kept[name] != cut[name]} == {storage.METADATA}
        one, other = map(storage.load_metadata, folders)
        assert one["origin"].pop("gaps") == "refuse" and other["origin"].pop("gaps") == "cut" and one == other


def test_the_length_is_chosen_so_that_little_is_lost(tmp_path: Path) -> None:
    """Without ``--length``, of recordings that are pieces of a few dozen frames."""
    logs = [made(200, number) for number in range(4)]
    for one in logs:
        one["q"][20::21] = np.nan
    metadata, _ = imported(stored(tmp_path / "several", logs), tmp_path / "data", "--gaps", "cut")
    assert metadata["origin"]["length"] == 20
    metadata, places = imported(stored(tmp_path / "one", logs[:1]), tmp_path / "alone", "--gaps", "cut")
    assert metadata["origin"]["length"] >= 10 and places["test"]
    check_sequences(tmp_path / "alone", logs)


def test_what_is_refused_says_how_much_and_how_to_cut_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts against what was spoiled; truth may stay unknown, as before."""
    logs = [made(40, number) for number in range(4)]
    logs[1]["q"][[3, 7, 9], 1] = np.nan
    logs[1]["u"][[7, 20]] = np.inf
    logs[3]["u"][5] = np.nan
    logs[2]["speed"][5] = np.nan
    source = stored(tmp_path / "log", logs)
    for more in ((), ("--action-low", "-9", "--action-high", "9")):
        with pytest.raises(SystemExit):
            imported(source, tmp_path / "data", "--length", 5, *more)
        said = capsys.readouterr().err
        assert "is inf; cut" in said or "is nan; cut" in said
        assert "cut the recording there with --gaps cut" in said
        first = "rec_3: u, step 5" in said
        assert ("such steps: 1 in it" if first else "such steps: 4 in it") in said
        assert "and some in 1 of the 3 others" in said
    with pytest.raises(SystemExit):
        imported(source, tmp_path / "data", "--gaps", "cut", "--length", 41)
    told = "--length 41: the longest piece between gaps (4 frames without numbers, 3 actions without numbers) has 40"
    assert told in capsys.readouterr().err


def test_a_recording_of_gaps_alone_says_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = made(40, 0)
    one["time"][:] = np.nan
    source = stored(tmp_path / "log", [one])
    for length in ([], ["--length", 5]):
        with pytest.raises(SystemExit):
            imported(source, tmp_path / "data", "--gaps", "cut", *length)
        said = capsys.readouterr().err
        assert "the longest piece between gaps (39 uneven steps) has 1 frame; look at the columns" in said


def test_goals_name_frames_of_the_recording_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = [made(40, number) for number in range(3)]
    logs[1]["q"][[3, 11]] = np.nan
    source = stored(tmp_path / "log", logs)
    imported(source, tmp_path / "data", "--gaps", "cut", "--length", 5, "--goal", "rec_1:-10")
    np.testing.assert_allclose(json.loads((tmp_path / "data" / "goal.json").read_text()), logs[1]["q"][30], rtol=1e-6)
    with pytest.raises(SystemExit):
        imported(source, tmp_path / "other", "--gaps", "cut", "--length", 5, "--goal", "rec_1:11")
    assert "--goal rec_1:11: a reading of that frame is no number" in capsys.readouterr().err


def test_rows_that_were_dropped_from_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are gaps, an empty cell is one, and the control step is that of the even stretches."""
    (tmp_path / "log").mkdir()
    kept: dict[str, list[int]] = {}
    for number in range(3):
        rng = np.random.default_rng(number)
        kept[f"run_{number}"] = [t for t in range(60) if number == 2 or t not in (20, 21, 41)]
        rows = [f"{t / 50!r},{1000 * number + t},{rng.normal()!r}" for t in kept[f"run_{number}"]]
        (tmp_path / "log" / f"run_{number}.csv").write_text("time,angle,torque\n" + "\n".join(rows) + "\n")
    words = [str(tmp_path / "log"), "--observation", "angle", "--actions", "torque", "--length", "4", "--stride", "1"]
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "data")])
    said = capsys.readouterr().err
    assert "run_0.csv: 'time' goes from 0.38 to 0.44 after row 20" in said and "--gaps cut" in said
    assert "such steps: 2 in it, and some in 1 of the 2 others" in said
    main([*words, "--gaps", "cut", "--out", str(tmp_path / "data")])
    assert "4 cut in 2 of 3 recordings (4 uneven steps): 0.0% of the frames are lost" in capsys.readouterr().out
    assert storage.load_metadata(tmp_path / "data")["control_step"] == pytest.approx(0.02)
    found = set()
    for split in ("train", "test"):
        shown = storage.load_sequences(tmp_path / "data", split).observations[..., 0].numpy()
        assert (np.diff(shown) == 1).all(), "no sequence goes over a gap"
        found |= {int(one) for one in shown[:, 0]}
    assert found == {
        1000 * int(name[-1]) + t for name, rows in kept.items() for t in rows if all(t + n in rows for n in range(4))
    }


@pytest.mark.parametrize("seed", range(5))
def test_pieces_against_a_walk_from_frame_to_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 40))
    gaps = Gaps(*(rng.random(max(n, 0)) < 0.15 for n in (count, count - 1, count - 1)))
    pieces: list[list[int]] = []
    for frame in range(count):
        if gaps.frames[frame]:
            continue
        joined = frame > 0 and not (gaps.frames[frame - 1] or gaps.actions[frame - 1] or gaps.steps[frame - 1])
        if joined:
            pieces[-1].append(frame)
        else:
            pieces.append([frame])
    assert gaps.pieces == [(one[0], one[-1] + 1) for one in pieces]
    after = [one[-1] for one in pieces if one[-1] + 1 < count]
    assert gaps.count == len(after) + (count > 0 and bool(gaps.frames[0])), "one after each piece, and one at first"


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("seed", range(30))
def test_pieces_of_one_recording_are_split_without_touching(seed: int, every: int) -> None:
    rng = np.random.default_rng(seed)
    length, ends = int(rng.integers(2, 9)), np.cumsum(rng.integers(1, 9, 12))
    starts = np.cumsum(rng.integers(20, 90, 12)) * every
    pieces = [(int(a), int(a) + int(rng.integers(length, 20)) * every) for a in starts + ends][
        : int(rng.integers(2, 12))
    ]
    if seed % 3 == 0:
        pieces[0] = (pieces[0][0] - 400 * every, pieces[0][1])
    if seed % 3 == 1:
        pieces[-1] = (pieces[-1][0], pieces[-1][1] + 400 * every)
    train, test = split_pieces_in_time(pieces, 0.2, length, every)
    assert train and test and test[0][0] - train[-1][1] >= (length - 1) * every
    for first, stop in (*train, *test):
        assert kept_frames(stop - first, every) >= length
        assert any(a <= first and stop <= b for a, b in pieces)
        assert all((first - a) % every == 0 for a, b in pieces if a <= first < b)
    frames = [sum(kept_frames(stop - first, every) for first, stop in half) for half in (train, test)]
    if seed % 3:
        assert frames[1] <= frames[0] or len(pieces) == 2


def test_pieces_that_are_too_short_to_be_split_say_so() -> None:
    with pytest.raises(UserError, match=r"--length 10: the 2 pieces of a single recording, of 12 frames at most"):
        split_pieces_in_time([(0, 12), (13, 25)], 0.2, 10)
    with pytest.raises(UserError, match="--test-share 1"):
        split_pieces_in_time([(0, 12), (13, 25)], 1.0, 2)
    assert split_pieces_in_time([(0, 80), (90, 110)], 0.2, 10) == ([(0, 80)], [(90, 110)])
    assert split_pieces_in_time([(0, 10), (20, 110)], 0.2, 10) == ([(0, 10), (20, 80)], [(90, 110)]), "cut in the last"


def test_nine_frames_in_ten_are_in_pieces_of_the_length() -> None:
    assert length_of_pieces([3, 3, 40, 50], 30) == 30
    assert length_of_pieces([1] * 9 + [20, 30, 40], 30) == 20
    assert length_of_pieces([1, 1], 30) == 2
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = rng.integers(1, 60, 15)
        found = length_of_pieces([int(n) for n in sizes], 1000)
        longer = [n for n in range(2, 61) if sizes[sizes >= n].sum() >= 0.9 * sizes.sum() and n in sizes]
        assert found == max(longer, default=2)


class Counted:
    """A recording of one key in blocks of seven steps, and how many blocks were read."""

    name = "rec"

    def __init__(self, steps: int) -> None:
        self.values, self.read = np.arange(steps), 0

    @property
    def keys(self) -> dict[str, Key]:
        return {"q": Key(len(self.values), (), self.values.dtype)}

    def blocks(self, key: str) -> Iterator[np.ndarray]:
        for at in range(0, len(self.values), 7):
            self.read += 1
            yield self.values[at : at + 7]


def test_pieces_in_order_are_read_in_one_pass() -> None:
    """Whatever they are; another order, or a reading that was left, begins anew."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        whole, reader = Counted(100), Onward()
        ends = np.sort(rng.choice(101, 8, replace=False)).reshape(4, 2)
        spans = [Span(whole, 100, int(first), int(stop), reader) for first, stop in ends]
        for span in spans:
            found = np.concatenate(list(span.blocks("q")))
            np.testing.assert_array_equal(found, np.arange(span.first, span.stop))
        assert whole.read <= 15
        for number in rng.permutation(4):
            span = spans[number]
            next(span.blocks("q"))
            np.testing.assert_array_equal(np.concatenate(list(span.blocks("q"))), np.arange(span.first, span.stop))
    other = Span(Counted(30), 30, 3, 9, reader)
    assert np.concatenate(list(other.blocks("q"))).tolist() == list(range(3, 9))


def test_pictures_are_cut_by_actions_truth_and_times_alone(tmp_path: Path) -> None:
    """The frames of a film's pieces are those of the recording."""
    logs = [spoiled(made(80, number), number, share=0.02) for number in range(4)]
    rng = np.random.default_rng(0)
    for one in logs:
        one["q"] = np.arange(len(one["speed"]), dtype=float)[:, None]
        one["camera"] = rng.integers(0, 255, (len(one["speed"]), 8, 8, 3)).astype(np.uint8)
    source = stored(tmp_path / "log", logs)
    words = [str(source), "--observation", "camera", "--actions", "u", "--truth", "speed", "--gaps", "cut"]
    main([*words, "--length", "6", "--stride", "1", "--out", str(tmp_path / "data")])
    found = []
    for split, places in json.loads((tmp_path / "data" / "recordings.json").read_text()).items():
        seen = storage.load_sequences(tmp_path / "data", split).observations
        for n, (name, first) in enumerate(places):
            np.testing.assert_array_equal(seen[n], logs[int(name[-1])]["camera"][first : first + 6])
            found.append((name, first))
    expected = [(f"rec_{n}", t) for n, one in enumerate(logs) for t in range(80) if allowed(one, t, 6)]
    assert sorted(found) == expected
