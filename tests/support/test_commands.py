"""Printed commands: a shell takes them apart into the words that were meant."""

from __future__ import annotations

import os
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

import latentrl
from latentrl.support.commands import MODULES, command, program_of, started_as


def test_a_shell_reads_the_words_that_were_given() -> None:
    words = ("--goal", Path("my data/it's a goal.png"), "--steps", 3, "--kwargs", '{"a": [1, 2]}')
    assert shlex.split(command("learn", *words)) == ["python", "-m", "latentrl.learn", *map(str, words)]


def test_plain_words_stay_as_they_are() -> None:
    assert command("train", "--data", Path("data/robot")) == "python -m latentrl.train --data data/robot"


def test_a_verb_that_python_has_a_word_for_has_another_module() -> None:
    assert command("import").endswith("-m latentrl.import_recordings")
    assert not any(find_spec(f"latentrl.{verb}") for verb in MODULES)


def test_nothing_is_no_word() -> None:
    with pytest.raises(ValueError, match="None"):
        command("learn", "--goal", None)


PACKAGE = Path(latentrl.__file__).parent


def test_a_script_that_is_the_command_goes_on_with_itself() -> None:
    program = program_of("my models/own.py", PACKAGE)
    with started_as(program):
        assert shlex.split(command("learn", "--run", "r")) == ["python", "my models/own.py", "learn", "--run", "r"]
    assert command("learn", "--run", "r") == "python -m latentrl.learn --run r"


@pytest.mark.parametrize(
    "script",
    ["latentrl-script.py", str(PACKAGE / "__main__.py"), str(PACKAGE / "train.py"), "-c"],
)
def test_the_packages_own_commands_are_modules(script: str) -> None:
    assert program_of(script, PACKAGE) == ()


def test_the_console_script_is_named_as_a_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the PATH by its name, elsewhere by its path: either line is run by a shell, with spaces in its folders."""
    folder = tmp_path / "my venv"
    folder.mkdir()
    script = folder / "latentrl"
    script.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    script.chmod(0o755)
    words = ["--run", "runs/it's mine", "--goal", "a b/goal.png"]
    for path, program in ((os.environ["PATH"], str(script)), (f"{folder}{os.pathsep}{os.environ['PATH']}", "latentrl")):
        monkeypatch.setenv("PATH", path)
        with started_as(program_of(str(script), PACKAGE)):
            line = command("learn", *words)
        assert shlex.split(line)[0] == program
        told = subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout
        assert told.splitlines() == ["learn", *words]
