"""Verbs whose standard streams are closed, or cannot print what there is to print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams are closed by a shell")


def _done(command: str, folder: Path, **surroundings: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **surroundings}
    words = ["sh", "-c", command, "sh", sys.executable]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-"])
def test_a_closed_stream_leads_nowhere(tmp_path: Path, closed: str) -> None:
    """Of a verb that imports little."""
    done = _done('"$1" -m latentrl zoo get pendulum --out run ' + closed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "settings.json").is_file()


def test_closed_streams_lead_nowhere_whatever_is_imported_and_draws_bars(tmp_path: Path) -> None:
    done = _done(
        '"$1" -m latentrl.collect --out data --sequences 2 --test-sequences 2 --length 3 --num-envs 2 >&- 2>&- <&-',
        tmp_path,
    )
    assert done.returncode == 0
    assert (tmp_path / "data" / "metadata.json").is_file()


def test_numbers_of_closed_streams_are_not_those_of_files(tmp_path: Path) -> None:
    code = "from latentrl.support.streams import keep_numbers; keep_numbers(); print(open('new', 'w').fileno() > 2)"
    done = _done(f"\"$1\" -c \"import sys; sys.stdout = open('said', 'w'); {code}\" >&- 2>&- <&-", tmp_path)
    # Python itself had to open the file of what is said first.
    assert done.returncode == 0 and (tmp_path / "said").read_text() == "True\n"


def test_what_the_locale_cannot_print_is_escaped(tmp_path: Path) -> None:
    made = '"$1" -m latentrl.collect --out ü --sequences 2 --test-sequences 2 --length 3 --num-envs 2'
    done = _done(made, tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr
    assert b"train --data" in done.stdout and b"\\xfc" in done.stdout and (tmp_path / "ü").is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
def test_names_that_are_no_text_are_told_before_anything_is_done(tmp_path: Path) -> None:
    done = _done('"$1" -m latentrl.collect --out "$(printf \'d\\377\')" --sequences 2', tmp_path, PYTHONUTF8="1")
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(r"error: 'd\udcff': its bytes are no UTF-8")
