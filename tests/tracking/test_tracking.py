"""Tracking: what `--track` says, and that a tracker's failure, slowness or exit harms nobody and is told once."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from latentrl.support.errors import UserError
from latentrl.tracking import TRACKERS, Choice, Guarded, choice_of, tracked
from latentrl.tracking.base import Beginning, Ending, Kind, flat
from latentrl.tracking.kept import Kept, path_of

CHOICE = Choice("toy", "mine")


class Toy:
    """Remembers what it is told; fails at a step, or waits."""

    def __init__(self, beginning: Beginning, fails_at: int = -1, wait: threading.Event | None = None) -> None:
        self.beginning, self._fails_at, self._wait = beginning, fails_at, wait
        self.rows: dict[int, Mapping[str, float]] = {}
        self.files: list[Path] = []
        self.ending: Ending | None = None

    @property
    def run(self) -> str | None:
        return self.beginning.run or "r1"

    @property
    def where(self) -> str:
        return f"toy show {self.run}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        if self._wait is not None:
            self._wait.wait()
        if step == self._fails_at:
            raise SystemExit("the service\nsays no")
        self.rows[step] = figures

    def log_file(self, path: Path) -> None:
        self.files.append(path)

    def finish(self, ending: Ending) -> None:
        self.ending = ending


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> list[Toy]:
    """The toys that were made, as the tracker ``toy``."""
    made: list[Toy] = []

    def begin(beginning: Beginning) -> Toy:
        made.append(Toy(beginning, fails_at=13))
        return made[-1]

    monkeypatch.setitem(TRACKERS, "toy", Kind(begin))
    return made


def kept(folder: Path, part: str = "") -> dict[str, object]:
    return dict(json.loads(path_of(folder, part).read_text()))


def test_what_is_tracked_arrives_with_its_settings_and_ends_as_it_ended(
    toys: list[Toy], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked(CHOICE, tmp_path, {"steps": 3}, "policy") as tracker:
        assert tracker is not None
        tracker.log({"rate": 1.0, "sigma": float("nan")}, 1)
        tracker.log_file(tmp_path / "film.gif")
    (toy,) = toys
    assert toy.rows == {1: {"rate": 1.0}} and toy.files == [tmp_path / "film.gif"] and toy.ending == "finished"
    assert toy.beginning == Beginning("mine", tmp_path.name, "policy", tmp_path, {"steps": 3})
    assert toy.beginning.name == f"{tmp_path.name}-policy"
    assert capsys.readouterr().out == "tracked: toy show r1\n"
    expected = {"tracker": "toy", "project": "mine", "run": "r1", "where": "toy show r1", "step": 1, "failure": None}
    assert kept(tmp_path, "policy") == expected


@pytest.mark.parametrize(
    ("stopped", "ending"),
    [(KeyboardInterrupt(), "interrupted"), (SystemExit(130), "interrupted"), (ValueError("bad"), "failed")],
    ids=["ctrl-c", "exit", "error"],
)
def test_it_ends_as_the_block_does(toys: list[Toy], tmp_path: Path, stopped: BaseException, ending: str) -> None:
    with pytest.raises(type(stopped)), tracked(CHOICE, tmp_path, {}):
        raise stopped
    assert toys[0].ending == ending


def test_a_resumed_run_goes_on_without_what_is_logged_already(toys: list[Toy], tmp_path: Path) -> None:
    Kept("toy", "mine", "r7", None, 20).write(path_of(tmp_path))
    with tracked(CHOICE, tmp_path, {}, resume=True) as tracker:
        assert tracker is not None
        for step in (10, 20, 30):
            tracker.log({"rate": 1.0}, step)
    with tracked(CHOICE._replace(project="other"), tmp_path, {}, resume=True):
        pass
    with tracked(CHOICE, tmp_path, {}):
        pass
    assert [toy.beginning.run for toy in toys] == ["r7", None, None], "the same tracker, the same project, --resume"
    assert list(toys[0].rows) == [30]


def test_a_failure_ends_nothing_is_told_once_and_kept(
    toys: list[Toy], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    with tracked(CHOICE, tmp_path, {}, on_failure=told.append) as tracker:
        assert tracker is not None
        for step in (12, 13, 14):
            tracker.log({"rate": 1.0}, step)
    assert list(toys[0].rows) == [12] and toys[0].ending == "failed"
    assert told == ["SystemExit: the service says no"]
    assert kept(tmp_path)["failure"] == told[0] and kept(tmp_path)["step"] == 12
    out = capsys.readouterr().out
    assert out.count("warning: --track toy:mine: not all was tracked (SystemExit: the service says no)") == 1
    with tracked(CHOICE, tmp_path, {}, resume=True):
        pass
    assert kept(tmp_path)["failure"] is None, "another try is another story"


def test_one_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    release = threading.Event()
    beginning = Beginning("mine", "swing", "", tmp_path, {})
    patience: dict[Ending, float] = {"finished": 0.05}
    hanging = Guarded(lambda: Toy(beginning, wait=release), Kept(*CHOICE), path_of(tmp_path), patience=patience)
    hanging.log({"rate": 1.0}, 1)
    assert hanging.finish("finished") == "not all was sent within 0.05 s"
    assert kept(tmp_path)["failure"] == "not all was sent within 0.05 s"
    release.set()


def test_where_nothing_can_be_written_the_failure_is_told_all_the_same(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    guarded = Guarded(lambda: Toy(Beginning("mine", "swing", "", gone, {})), Kept(*CHOICE), path_of(gone))
    failure = guarded.finish("finished")
    assert failure is not None and failure.startswith("FileNotFoundError") and not gone.exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nothing", "there is no such tracker; give one of tensorboard, trackio, wandb, mlflow"),
        ("tensorboard:", "'' is no name of a project"),
        ("tensorboard:a/b", "'a/b' is no name of a project"),
        ("absent:mine", r"no_such_module is not installed: pip install 'latentrl\[no_such_module\]'"),
    ],
)
def test_what_cannot_be_tracked_by_is_refused(text: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if text.startswith("absent"):
        monkeypatch.setitem(TRACKERS, "absent", Kind(Toy, "no_such_module"))
    with pytest.raises(UserError, match=f"--track {text}: {complaint}"):
        choice_of(text)
    assert choice_of("tensorboard") == ("tensorboard", "latentrl")


def test_a_link_in_a_strangers_folder_is_not_followed_and_damage_is_told(toys: list[Toy], tmp_path: Path) -> None:
    (tmp_path / "toy").symlink_to(tmp_path.parent)
    with pytest.raises(UserError, match="toy is a link"), tracked(CHOICE, tmp_path, {}):
        pass
    path_of(tmp_path).write_text('{"tracker": 3}')
    with (
        pytest.raises(UserError, match=r"tracking.json is damaged \(.*remove it"),
        tracked(CHOICE, tmp_path, {}, resume=True),
    ):
        pass
    assert not toys


def test_settings_are_flattened() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
