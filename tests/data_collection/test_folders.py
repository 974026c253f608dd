"""Folders through links, on bad disks, and with what killed processes left."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import latentrl.collect
from latentrl.collect import CollectOptions, collect
from latentrl.data_collection import folders, recording, storage
from latentrl.data_collection.folders import (
    complete_folder,
    own_copy,
    resumable_folder,
    settle,
    unfinished_folder,
)
from latentrl.support.errors import UserError

OPTIONS = CollectOptions(sequences=4, test_sequences=2, length=4, num_envs=2)


@pytest.mark.parametrize("exchange", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(
    tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchange:
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "disk" / "real" / "old").write_text("")
    link = tmp_path / "data"
    link.symlink_to(tmp_path / "disk" / "real")
    with complete_folder(link, overwrite=True) as folder:
        (folder / "new").write_text("")
    with resumable_folder(link, "marker", overwrite=True) as folder:
        (folder / "newer").write_text("")
    assert link.is_symlink() and [path.name for path in link.iterdir()] == ["newer"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", "disk", "newer", "real"]


def test_a_dangling_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "disk" / "real")
    with pytest.raises(UserError, match=r"data is a link to .*real, which does not exist"):
        collect(replace(OPTIONS, out=tmp_path / "data"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("kind", ["file", "below a file", "long", "overwritten file"])
def test_places_where_no_folder_can_be_are_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("mine")
    name = {"below a file": "file/deep/data", "long": "x" * 300}.get(kind, "file")
    with pytest.raises(UserError, match="--out"):
        collect(replace(OPTIONS, out=tmp_path / name, overwrite=kind == "overwritten file"))
    with pytest.raises(UserError, match="--out"), complete_folder(tmp_path / name):
        pass
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_disks_that_refuse_are_told(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(UserError, match=r"data: (nothing may be written there|the disk is full)"):
        collect(replace(OPTIONS, out=tmp_path / "data"))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_fills_is_not(tmp_path: Path) -> None:
    stale = tmp_path / ".data.filling"
    stale.mkdir()
    (stale / "half").write_text("")
    with complete_folder(tmp_path / "data") as living:
        assert not (living / "half").exists()
        (living / "whole").write_text("")
        with pytest.raises(UserError, match=r"data: another process is filling it"):
            with complete_folder(tmp_path / "data", overwrite=True):
                raise AssertionError("it was told before it did anything")
        assert (living / "whole").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks")
def test_copies_that_several_make_at_a_time(tmp_path: Path) -> None:
    stale = tmp_path / ".mapped.abc.partial"
    stale.mkdir()
    with own_copy(tmp_path / "mapped") as slow:
        assert not stale.exists()
        with own_copy(tmp_path / "mapped") as fast:
            (fast / "first").write_text("")
        assert slow.exists() and (tmp_path / "mapped" / "first").exists()
    assert not list((tmp_path / "mapped").iterdir()) and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_moved_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "old").write_text("")
    moved = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "data":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        return moved(path, target)

    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(UserError, match="nothing may be written there"):
        with complete_folder(tmp_path / "data", overwrite=True):
            pass
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["data", "data/old"]


def test_an_unfinished_collection_of_a_longer_name_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), resumable_folder(tmp_path / "data.v2", "marker") as unfinished:
        (unfinished / "marker").write_text("a day's work")
        raise KeyboardInterrupt
    with complete_folder(tmp_path / "data"):
        pass
    with own_copy(tmp_path / "copy"):
        pass
    assert (unfinished / "marker").read_text() == "a day's work"


def test_who_begins_as_another_ends_keeps_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_ = folders._replace

    def replaced(new: Path, *rest: Any) -> None:
        replace_(new, *rest)
        new.mkdir()
        (new / "theirs").write_text("")

    monkeypatch.setattr(folders, "_replace", replaced)
    with complete_folder(tmp_path / "data") as one:
        pass
    with resumable_folder(tmp_path / "other", "marker") as two:
        pass
    assert (one / "theirs").exists() and (two / "theirs").exists()


def test_folders_that_were_made_on_the_way_go_where_nothing_comes_of_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bad"), complete_folder(tmp_path / "a" / "b" / "data"):
        raise UserError("bad")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="no such rights")
def test_what_is_made_is_as_private_as_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with complete_folder(tmp_path / "data"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_another_process_made_it_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another process made it"), complete_folder(tmp_path / "data"):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "first").write_text("")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["first"]
    assert len(list(tmp_path.iterdir())) == 1


def _collected(arguments: tuple[str, int]) -> str:
    out, _ = arguments
    try:
        collect(replace(OPTIONS, out=Path(out)))
    except UserError as error:
        return str(error)
    return "made"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="started by forking")
def test_of_many_processes_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    with multiprocessing.get_context("fork").Pool(5) as pool:
        said = pool.map(_collected, [(out, number) for number in range(10)], chunksize=1)
    assert said.count("made") == 1
    assert all("another process" in one or "exists already" in one for one in said if one != "made")
    storage.load_sequences(Path(out), "train")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_is_left_of_a_finished_collection_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = collect(replace(OPTIONS, out=tmp_path / "data"))
    (data / "unfinished.json").write_text("{}")
    unfinished_folder(data).mkdir()
    collect(replace(OPTIONS, out=data, resume=True))
    assert "finished already" in capsys.readouterr().out
    assert not (data / "unfinished.json").exists() and [path.name for path in tmp_path.iterdir()] == ["data"]
    settle(data, "unfinished.json")


class TestForeign:
    """An unfinished collection that somebody sent."""

    @pytest.fixture
    def interrupted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The note of a collection that was interrupted after its train split."""
        monkeypatch.setattr(latentrl.collect, "photograph", lambda *_: None)
        record = recording.record

        def stopping(folder: Path, split: str, *rest: Any) -> None:
            if split == "test":
                raise KeyboardInterrupt
            record(folder, split, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(latentrl.collect, "record", stopping)
            with pytest.raises(SystemExit):
                collect(replace(OPTIONS, out=tmp_path / "data"))
        return tmp_path / ".data.partial" / "unfinished.json"

    def test_its_module_is_only_imported_for_who_names_it(
        self, tmp_path: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "theirs.py").write_text(
            "import pathlib, gymnasium\n"
            f"pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
            "gymnasium.register('Theirs-v0', vector_entry_point=gymnasium.spec('latentrl/Pendulum-v0')"
            ".vector_entry_point)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        content = json.loads(interrupted.read_text())
        content["settings"]["env"] = "theirs:Theirs-v0"
        interrupted.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"--resume --env theirs:Theirs-v0$"):
            collect(CollectOptions(out=tmp_path / "data", resume=True))
        assert not (tmp_path / "ran").exists() and interrupted.exists()
        collect(CollectOptions(out=tmp_path / "data", resume=True, env="theirs:Theirs-v0"))
        assert (tmp_path / "ran").exists()
        del sys.modules["theirs"], gymnasium.registry["Theirs-v0"]

    def test_its_links_are_refused(self, tmp_path: Path, interrupted: Path) -> None:
        mine = tmp_path / "mine"
        mine.mkdir()
        home = interrupted.parent
        for link in (home / "test-v0", home / "train-v0" / "data" / "4", home / "metadata.json.partial"):
            link.symlink_to(mine)
            with pytest.raises(UserError, match=rf"{link.name} is a link to .*mine"):
                collect(CollectOptions(out=tmp_path / "data", resume=True))
            link.unlink()
        home.rename(tmp_path / "elsewhere")
        home.symlink_to(tmp_path / "elsewhere")
        for options in (CollectOptions(resume=True), replace(OPTIONS, overwrite=True)):
            with pytest.raises(UserError, match=r"\.data\.partial is a link"):
                collect(replace(options, out=tmp_path / "data"))
        assert not list(mine.iterdir()) and (tmp_path / "elsewhere" / "unfinished.json").exists()

    @pytest.mark.parametrize("name", ["out", "overwrite", "new"])
    def test_settings_that_set_places_are_refused(self, tmp_path: Path, interrupted: Path, name: str) -> None:
        content = json.loads(interrupted.read_text())
        content["settings"][name] = str(tmp_path / "mine")
        interrupted.write_text(json.dumps(content))
        with pytest.raises(UserError, match=rf"another version \(option '{name}'\): give --overwrite"):
            collect(CollectOptions(out=tmp_path / "data", resume=True))

    @pytest.mark.parametrize("torn", ["minari", "arrow", "beyond"])
    def test_torn_files(self, tmp_path: Path, interrupted: Path, torn: str) -> None:
        data = interrupted.parent / "train-v0" / "data"
        if torn == "arrow":
            (data / "1" / "part-0.arrow").write_bytes(b"ARROW1")
            (data / "1" / "part-0.arrow").write_bytes(b"ARR")
            with pytest.raises(UserError, match=r"1/part-0\.arrow is missing or incomplete.*--overwrite"):
                collect(CollectOptions(out=tmp_path / "data", resume=True))
            return
        if torn == "minari":
            (data / "metadata.json").write_text('{"total_ep')
        else:
            (data / "4").mkdir()
            (data / "4" / "metadata.json").write_text("{")
        collect(CollectOptions(out=tmp_path / "data", resume=True))
        assert len(storage.load_sequences(tmp_path / "data", "train")) == 4
        assert sorted(path.name for path in (tmp_path / "data" / "train-v0" / "data").iterdir()) == [
            *"0123",
            "metadata.json",
        ]
