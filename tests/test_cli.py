"""The command line as a newcomer meets it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import latentrl
from latentrl.__main__ import VERBS, main

OPTIONS = {
    "quickstart": ("--out", "--overwrite"),
    "collect": ("--env", "--out", "--sequences", "--seed"),
    "train": ("--data", "--seed", "--device", "--resume"),
    "imagine": ("--actions", "--hold", "--sample", "--data"),
    "learn": ("--seed",),
    "evaluate": ("--task", "--agent", "--policy", "--goal", "--episodes", "--drop", "--blackout", "--no-video"),
    "study": ("--seeds", "--jobs", "--rows", "--figure-4.4", "--dry-run", "--publish"),
    "compare": ("--run", "--tasks", "--agents", "--seed"),
    "export": ("--run", "--policy", "--goal", "--action-limit", "--out", "--data"),
}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, wide enough that no option's name is wrapped."""
    environment = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    for name, verb in VERBS.items():
        assert f"  {name} " in text and verb.summary in text


def test_help_is_quick_to_come() -> None:
    """Nothing heavy is imported before a verb is chosen."""
    code = "import sys; from latentrl.__main__ import main; main(['--help']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


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
def test_a_verbs_help_names_its_options(verb: str) -> None:
    result = _run("latentrl", verb, "--help")
    assert result.returncode == 0, result.stderr
    assert f"usage: latentrl {verb}" in result.stdout
    for option in OPTIONS[verb]:
        assert option in result.stdout


def test_a_verb_is_a_module_too() -> None:
    result = _run("latentrl.collect", "--help")
    assert result.returncode == 0 and "--env" in result.stdout


def test_an_unknown_option_fails_with_a_message() -> None:
    result = _run("latentrl", "collect", "--sequnces", "3")
    assert result.returncode == 2
    assert "--sequnces" in result.stdout + result.stderr
