"""What every reader of recordings must hold: it knows its format, tells what is there, and reads what was written.

What is written in each format stands in `tests/conformance/sources.py`; a reader that is not there is asked for what
needs no file: that it takes nothing for its own that is none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentrl.recordings.readers import READERS, open_source
from latentrl.recordings.readers.base import Reader
from latentrl.recordings.recording import BLOCK, Source
from latentrl.support.errors import UserError
from tests.conformance.sources import FORMS, Content, Form


def check_takes_nothing_that_is_none(reader: Reader, folder: Path) -> None:
    """No file, an empty folder, a folder with a note."""
    (folder / "empty").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("nothing here")
    for name in ("missing", "empty", "notes", "notes/readme.txt"):
        assert reader.locate(str(folder / name)) is None, f"takes {name} for recordings"


def check_what_is_read(source: Source, form: Form, written: list[Content]) -> None:
    """Names, shapes that are told beforehand, and everything in blocks, twice."""
    names = [one.name for one in source.recordings]
    assert len(names) == len(set(names)) == len(written)
    for recording, expected in zip(source.recordings, written, strict=True):
        for key, within, what in ((form.observation, form.within, "frames"), (form.actions, 0, "actions")):
            told, wanted = recording.keys[key], expected[what]
            assert (told.steps, *told.shape) == wanted.shape
            for _ in range(2):
                blocks = list(recording.blocks(key))
                assert all(0 < len(block) <= BLOCK for block in blocks)
                found = np.concatenate(blocks)
                assert found.dtype == told.dtype and found.shape == wanted.shape
                error = np.abs(found.astype(np.float64) - wanted).reshape(len(found), -1).mean(1)
                assert error.max() <= within + 1e-6, "a frame of another step differs by 6"


def test_there_are_sources_for_every_reader_of_the_package() -> None:
    own = {name for name, reader in READERS.items() if type(reader).__module__.startswith("latentrl.")}
    assert {form.reader for form in FORMS.values()} == own


@pytest.mark.parametrize("name", READERS)
def test_reader_takes_nothing_that_is_none(name: str, tmp_path: Path) -> None:
    check_takes_nothing_that_is_none(READERS[name], tmp_path)
    with pytest.raises(UserError, match="known format") as caught:
        open_source(str(tmp_path / "missing"), name)
    assert READERS[name].expects in str(caught.value)


@pytest.mark.parametrize("name", FORMS)
def test_reader_reads_what_was_written(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    if form.needs:
        pytest.importorskip(form.needs)
    written = form.content(form.lengths)
    there = form.write(tmp_path, written)
    assert READERS[form.reader].locate(there) is not None
    found, source = open_source(there)
    assert found == form.reader, "another reader took it"
    check_what_is_read(source, form, written)
    if form.reader in ("videos", "lerobot", "tables"):
        assert source.control_step == pytest.approx(0.1)


@pytest.mark.parametrize("name", FORMS)
def test_damage_is_told_by_the_files_name(name: str, tmp_path: Path) -> None:
    """Every file in turn is cut to a half: a message or all that was written, never a traceback, never less."""
    form = FORMS[name]
    if form.needs:
        pytest.importorskip(form.needs)
    written = form.content((3, 70) if "stacked" not in name else (70, 70))
    there = form.write(tmp_path, written)
    told = 0
    for file in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        before = file.read_bytes()
        file.write_bytes(before[: len(before) // 2])
        try:
            _, source = open_source(there, form.reader)
            for recording in source.recordings:
                for key in (form.observation, form.actions):
                    steps = sum(len(block) for block in recording.blocks(key))
                    assert steps == recording.keys[key].steps or form.reader == "videos", f"half of {file.name} is lost"
        except UserError as error:
            assert str(tmp_path) in str(error) and "\n" not in str(error)
            told += 1
        file.write_bytes(before)
    assert told, "nothing was found to be damaged"
