"""A run folder is made, refused or replaced, and nobody trains into it twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from latentrl.runs.folder import CHECKPOINT, MODEL, SETTINGS
from latentrl.runs.opening import check_resumable, in_use, opened
from latentrl.support import locks
from latentrl.support.errors import UserError
from tests.crowd import crowd

FORK = multiprocessing.get_context("fork")


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def made(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def old_run(folder: Path) -> Path:
    return made(folder, settings_json="{}", model_safetensors="weights", history_csv="step")


def test_a_new_run_that_fails_before_it_begins_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bad data"), opened(tmp_path / "a" / "run"):
        raise UserError("bad data")
    assert not (tmp_path / "a" / "run").exists()


@pytest.mark.parametrize("error", [UserError("diverged"), OSError(28, "No space left on device")])
def test_a_replaced_run_is_back_if_the_new_one_has_nothing_to_go_on_with(tmp_path: Path, error: Exception) -> None:
    run = old_run(tmp_path / "run")
    before = contents(run)
    with pytest.raises(type(error)), opened(run, overwrite=True):
        assert not list(run.iterdir())
        (run / SETTINGS).write_text("new")
        raise error
    assert contents(tmp_path) == {f"run/{name}": text for name, text in before.items()}


def test_a_replaced_run_is_gone_once_the_new_one_can_go_on(tmp_path: Path) -> None:
    run = old_run(tmp_path / "run")
    with pytest.raises(SystemExit), opened(run, overwrite=True):
        (run / SETTINGS).write_text("new")
        (run / CHECKPOINT).write_text("new")
        raise SystemExit(130)
    assert contents(tmp_path) == {"run/settings.json": "new", "run/checkpoint.safetensors": "new"}


def _killed(run: Path, later: bool) -> None:
    with opened(run, overwrite=True):
        (run / SETTINGS).write_text("new")
        if later:
            (run / CHECKPOINT).write_text("new")
        os.kill(os.getpid(), signal.SIGKILL)


def kill_within(run: Path, later: bool) -> None:
    process = FORK.Process(target=_killed, args=(run, later))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_after_a_kill_the_old_run_stays_until_the_new_one_is_worth_as_much(tmp_path: Path) -> None:
    run = old_run(tmp_path / "run")
    before = contents(run)
    kill_within(run, later=False)
    with pytest.raises(UserError, match="bad data"), opened(run, overwrite=True):
        raise UserError("bad data")
    assert contents(run) == before, "what the killed one was to replace, not the little that it had made"
    kill_within(run, later=True)
    with opened(run, resume=True):
        assert (run / CHECKPOINT).read_text() == "new"
    assert contents(tmp_path) == {"run/settings.json": "new", "run/checkpoint.safetensors": "new"}


def test_a_run_that_was_moved_aside_when_the_process_was_killed_is_put_back(tmp_path: Path) -> None:
    run = old_run(tmp_path / "run")
    run.rename(tmp_path / ".run.replaced")
    with pytest.raises(UserError, match="give --resume"), opened(run):
        pass
    assert (run / MODEL).is_file()


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="no locks")
@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}, {}])
def test_a_run_that_another_process_has_just_moved_aside_is_left_to_it(tmp_path: Path, how: dict[str, bool]) -> None:
    aside = old_run(tmp_path / "run").rename(tmp_path / ".run.replaced")
    busy = pytest.raises(UserError, match="another process is at work there")
    with locks.exclusive(aside, ""), busy, opened(tmp_path / "run", **how):
        pass
    assert aside.is_dir() and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("files", "plain", "overwrite", "resume"),
    [
        # For each state of a folder at least one of the three works, and the others name it.
        ({}, None, None, "leave --resume out"),
        ({"settings_json": "{}"}, "--resume .*--overwrite", None, None),
        ({"checkpoint_safetensors": ""}, "without settings.json.*--overwrite", None, "--overwrite"),
        ({"settings_json_partial": ""}, "without settings.json.*--overwrite", None, "--overwrite"),
        ({"letter_txt": "dear"}, "another --run", "holds letter.txt.*another with --run", "--overwrite"),
    ],
)
def test_no_run_folder_is_a_dead_end(
    tmp_path: Path, files: dict[str, str], plain: str | None, overwrite: str | None, resume: str | None
) -> None:
    for number, (how, expected) in enumerate(
        (({}, plain), ({"overwrite": True}, overwrite), ({"resume": True}, resume))
    ):
        run = made(tmp_path / str(number), **files)
        before = contents(run)
        if expected is None:
            with opened(run, **how):
                pass
        else:
            with pytest.raises(UserError, match=expected), opened(run, **how):
                pass
            assert contents(run) == before


def test_a_file_or_a_link_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(old_run(tmp_path / "run"))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, said in (("file", "is no folder"), ("link", "is a link"), ("dangling", "is a link")):
        for overwrite in (False, True):
            with pytest.raises(UserError, match=said), opened(tmp_path / name, overwrite):
                pass
    assert (tmp_path / "run" / MODEL).is_file()
    with pytest.raises(UserError, match="holds no run"):
        check_resumable(tmp_path / "nowhere")


def _hold(run: Path, how: dict[str, bool], start: Barrier, told: SimpleQueue[str], end: Event) -> None:
    start.wait(60)
    try:
        with opened(run, **how):
            (run / SETTINGS).write_text("{}")
            told.put("held")
            end.wait(60)
    except UserError as error:
        told.put(str(error))


@pytest.mark.parametrize("how", ["fresh", "overwrite", "resume"])
def test_of_ten_processes_one_wins_and_nine_are_told(tmp_path: Path, how: str) -> None:
    run = tmp_path / "run"
    if how != "fresh":
        old_run(run)
    lines, _ = crowd(_hold, run, {} if how == "fresh" else {how: True})
    assert lines.count("held") == 1
    others = [line for line in lines if line != "held"]
    assert all(line.startswith(str(run)) for line in others)
    assert all("another process is at work" in line or "exists already" in line for line in others)
    assert (run / SETTINGS).read_text() == "{}" and not (tmp_path / ".run.replaced").exists()


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="no locks")
@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}])
def test_a_run_that_a_verb_works_with_is_not_trained_into(tmp_path: Path, how: dict[str, bool]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (SETTINGS, MODEL):
        (run / name).write_text("{}")
    given = {"overwrite": False, "resume": False, **how}
    with in_use(run), in_use(run), pytest.raises(UserError, match="another process is at work there"):
        with opened(run, **given):
            pass
    with opened(run, **given), pytest.raises(UserError, match="a training is at work there"), in_use(run):
        pass
    with in_use(tmp_path / "gone"):
        pass


@pytest.mark.skipif(not locks.HAS_LOCKS, reason="no locks")
@pytest.mark.parametrize("words", ["learn", "imagine", "export", "evaluate", "compare"])
def test_every_verb_that_works_with_a_run_holds_it(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from latentrl.__main__ import main

    (tmp_path / "run").mkdir()
    with locks.exclusive(tmp_path / "run", ""), pytest.raises(SystemExit) as stopped:
        main([words, "--run", str(tmp_path / "run")])
    assert stopped.value.code == 2 and "a training is at work there" in capsys.readouterr().err
