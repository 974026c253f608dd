"""Files are whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latentrl.support.errors import UserError
from latentrl.support.files import (
    fault_of_json,
    parsed_json,
    read_json,
    refuse_links,
    replacing,
    write_bytes,
    write_text,
)


def test_a_new_file_takes_the_old_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "alt")
    write_text(path, "größer")
    assert path.read_bytes() == "größer".encode() and [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    write_bytes(path, b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(type(error)), replacing(path) as partial:
        partial.write_text("hal")
        assert path.read_text() == "old"
        raise error
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_block_that_fails_before_it_writes_is_no_other_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing"), replacing(tmp_path / "a.txt"):
        raise ValueError("nothing to write")
    assert not list(tmp_path.iterdir())


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("theirs", "theirs.partial"):
        (tmp_path / name).symlink_to(mine)
    write_text(tmp_path / "theirs", "new")
    assert mine.read_text() == "mine" and (tmp_path / "theirs").read_text() == "new"
    assert not (tmp_path / "theirs").is_symlink() and len(list(tmp_path.iterdir())) == 2


def test_links_within_a_folder_are_refused_as_deep_as_is_asked(tmp_path: Path) -> None:
    (tmp_path / "row" / "seed0").mkdir(parents=True)
    refuse_links(tmp_path, 3)
    (tmp_path / "row" / "seed0" / "theirs").symlink_to("gone")
    refuse_links(tmp_path, 2)
    with pytest.raises(UserError, match=r"theirs is a link to gone"):
        refuse_links(tmp_path, 3)


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "[1", b"\xff", "1" * 5000, ""], ids=lambda one: one[:5]
)
def test_json_that_cannot_be_read_is_a_value_error(text: str | bytes) -> None:
    assert parsed_json('{"a": [1, null]}') == parsed_json(b'{"a": [1, null]}') == {"a": [1, None]}
    with pytest.raises(ValueError):
        parsed_json(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1, NaN, 2e-3]", None),
        ("[1, -.5, 2]", "is no JSON at '-.5', character 5; write -0.5"),
        ("[1 2]", "is no JSON at '2', character 4"),
        ("[1,]", "is no JSON at ']', character 4"),
        ("[1", "is no JSON at its end, character 3"),
        ("", "is no JSON at its end, character 1"),
        ("[" * 200_000, "is no JSON (too many brackets within each other)"),
    ],
    ids=lambda one: str(one)[:5],
)
def test_what_is_wrong_with_json_is_said(text: str, told: str | None) -> None:
    assert fault_of_json(text) == told


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_nothing_waits_at_a_pipe(tmp_path: Path) -> None:
    """What is written takes its place, and what is read is refused."""
    path = tmp_path / "a.json"
    os.mkfifo(path)
    os.mkfifo(tmp_path / "a.json.partial")
    with pytest.raises(UserError, match=r"a\.json is no file .*: make it again"):
        read_json(path, "make it again")
    write_text(path, '{"a": 1}')
    assert read_json(path, "make it again") == {"a": 1} and [one.name for one in tmp_path.iterdir()] == ["a.json"]
