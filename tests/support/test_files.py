"""Files are whole or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentrl.support.files import replacing, write_bytes, write_text


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
