"""The command line as a newcomer meets it."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import latentrl
from latentrl.__main__ import VERBS, main

OPTIONS = {
    "demo": ("--out", "--seed"),
    "quickstart": ("--out", "--overwrite"),
    "collect": ("--env", "--out", "--sequences", "--seed"),
    "import": ("--observation", "--actions", "--size", "--crop", "--length", "--stride", "--goal", "--describe"),
    "inspect": ("--data", "--split", "--out"),
    "train": ("--data", "--seed", "--device", "--resume"),
    "imagine": ("--actions", "--hold", "--sample", "--data"),
    "learn": ("--seed",),
    "evaluate": ("--task", "--agent", "--policy", "--goal", "--episodes", "--drop", "--blackout", "--no-video"),
    "study": ("--seeds", "--jobs", "--rows", "--figure-4.4", "--dry-run", "--publish"),
    "sweep": ("--trials", "--jobs", "--seed", "--no-prune", "--report", "--out"),
    "suite": ("--only", "--seeds", "--jobs", "--on", "--list", "--quick", "--report", "--retry-failed", "--publish"),
    "compare": ("--run", "--tasks", "--agents", "--seed"),
    "export": ("--run", "--policy", "--goal", "--action-limit", "--out", "--data"),
    "zoo": ("list", "get", "--out"),
    "push": ("--public", "--dry-run"),
    "pull": ("--revision", "--out"),
}


WIDE = {"COLUMNS": "160", "NO_COLOR": "1"}
"""So that no option's name is wrapped."""


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert f"  {name} " in text and verb.summary in text


def test_help_is_quick_to_come() -> None:
    """Nothing heavy is imported before a verb is chosen."""
    heavy = {"torch", "numpy", "scipy", "gymnasium", "matplotlib", "minari", "tyro", "tensorboard", "PIL"}
    code = "import sys; from latentrl.__main__ import main; main(['--help']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "latentrl.__main__" in loaded and not loaded & heavy


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"latentrl {latentrl.__version__}\n"


@pytest.mark.parametrize(("arguments", "problem"), [([], "a verb is missing"), (["trian"], "no verb 'trian'")])
def test_a_wrong_verb_is_named_with_the_right_ones(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(arguments)
    message = capsys.readouterr().err
    assert exit_code.value.code == 2
    assert problem in message and all(name in message for name in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_help_names_its_options(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in WIDE.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_code:
        main([verb, "--help"])
    said = capsys.readouterr().out
    assert not exit_code.value.code and f"usage: latentrl {verb}" in said
    for option in OPTIONS[verb]:
        assert option in said
    # What Python or tyro calls what people are to give.
    assert not re.search(r"None|\bSTR\b|if left out", said)
    assert not any(re.search("[A-Z]s$", metavar) for metavar in re.findall(r"^  --\S+ (\S+)", said, re.M))


@pytest.mark.filterwarnings("ignore:.* found in sys.modules")  # what is imported already is run once more
@pytest.mark.parametrize("words", [("latentrl.collect",), ("latentrl", "collect")])
def test_a_verb_is_a_module_too(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ``python -m``; that a fresh interpreter imports it is seen below."""
    for name, value in WIDE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", [*words, "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    said = capsys.readouterr().out
    assert not stopped.value.code and "usage: latentrl collect" in said and "--env" in said


def test_an_unknown_option_fails_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["collect", "--sequnces", "3"])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "--sequnces" in said.out + said.err


MODULE = "import gymnasium\nprint('imported')\n"
SAFE = pytest.param(True, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no -P yet"))


def _in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in a folder, which finds this package there too."""
    environment = os.environ | {"PYTHONPATH": str(Path(latentrl.__file__).parent.parent)}
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("safe", [False, SAFE])
def test_the_console_script_finds_modules_in_the_current_folder(tmp_path: Path, safe: bool) -> None:
    """As ``python -m`` does; but not where Python is told not to."""
    (tmp_path / "my_robots.py").write_text(MODULE)
    # What the console script that pip makes consists of.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "latentrl").write_text("from latentrl.__main__ import main\nmain()\n")
    options = ["-P"] if safe else []
    result = _in(tmp_path, *options, "bin/latentrl", "collect", "--env", "my_robots:No-v0", "--out", "d")
    assert result.returncode == 2
    assert ("imported" in result.stdout) is not safe
    assert ("No module named 'my_robots'" if safe else "`No` doesn't exist") in result.stderr


def test_a_script_that_is_the_command_prints_commands_of_its_own(tmp_path: Path) -> None:
    script = "from latentrl.__main__ import main\nif __name__ == '__main__':\n    main()\n"
    (tmp_path / "mine.py").write_text(script)
    small = ("--sequences", "2", "--test-sequences", "1", "--length", "3", "--out", "d")
    result = _in(tmp_path, "mine.py", "collect", *small)
    assert "next: python mine.py train --data d\n" in result.stdout
