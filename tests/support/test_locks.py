"""One process at a time: files that are claimed before long work."""

from __future__ import annotations

import os
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from latentrl.support.errors import UserError
from latentrl.support.files import write_text
from latentrl.support.locks import HAS_LOCKS, claimed, exclusive, shared
from tests.crowd import crowd


def _try(path: Path, start: Barrier, told: SimpleQueue[str], end: Event) -> None:
    start.wait(60)
    try:
        with claimed(path):
            told.put("held")
            end.wait(60)
            write_text(path, "whole")
    except UserError as error:
        told.put(str(error))


@pytest.mark.skipif(not (HAS_LOCKS and hasattr(os, "fork")), reason="started by forking")
def test_of_ten_processes_one_claims_a_file_and_nine_are_told(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    lines, _ = crowd(_try, path)
    assert lines.count("held") == 1
    assert all(line.startswith(f"{path}: another process is at work") for line in lines if line != "held")
    assert path.read_text() == "whole" and [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(not HAS_LOCKS, reason="no locks")
def test_what_is_claimed_after_it_was_written_is_another_s(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    with claimed(path):
        with pytest.raises(UserError, match="another process is at work"), claimed(path):
            pass
        write_text(path, "first")
        other = claimed(path)
        other.__enter__()
    with pytest.raises(UserError, match="another process is at work"), claimed(path):
        pass
    other.__exit__(None, None, None)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_claim_ends_with_an_error_and_follows_no_link(tmp_path: Path) -> None:
    path, mine = tmp_path / "figures.json", tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "figures.json.partial").symlink_to(mine)
    with pytest.raises(ValueError, match="bad"), claimed(path):
        raise ValueError("bad")
    assert mine.read_text() == "mine" and [one.name for one in tmp_path.iterdir()] == ["mine"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_claim_does_not_wait_at_a_pipe(tmp_path: Path) -> None:
    path, pipe = tmp_path / "figures.json", tmp_path / "figures.json.partial"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"figures\.json\.partial is no file.*: remove it"), claimed(path):
        pass
    pipe.unlink()
    pipe.mkdir()
    with pytest.raises(UserError, match=r"figures\.json\.partial is no file.*: remove it"), claimed(path):
        pass
    assert pipe.is_dir()


def test_nothing_is_claimed_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="figures"), claimed(tmp_path / "gone" / "figures.json"):
        pass


@pytest.mark.skipif(not HAS_LOCKS, reason="no locks")
def test_those_who_read_hold_a_folder_together_and_who_writes_has_it_alone(tmp_path: Path) -> None:
    with shared(tmp_path, "told"), shared(tmp_path, "told"):
        with pytest.raises(UserError, match="alone"), exclusive(tmp_path, "alone"):
            pass
    with exclusive(tmp_path, "alone"), pytest.raises(UserError, match="told"), shared(tmp_path, "told"):
        pass
    with exclusive(tmp_path, "alone"):
        pass
