"""Folders that somebody else has sent: nothing in them is run, imported or unpickled, whichever verb looks at them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import sys
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest

from latentrl.data_collection.options import CollectOptions
from latentrl.studies.own import PLACES, read_study
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.training.options import TrainOptions

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class")
FORK = multiprocessing.get_context("fork")


def _watched(here: Path, verbs: list[list[str]], answers: SimpleQueue[list[tuple[object, list[str], str]]]) -> None:
    """Run verbs and tell of each its exit code, what happened that should not, and what it printed."""
    from latentrl.__main__ import main

    os.chdir(here)
    sys.path.append(str(here))  # as `python -m` and the `latentrl` command look for modules in the current folder
    seen: list[str] = []
    watching = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        # What a run was made with is asked of git, and by the standard library of uname.
        ours = event == "subprocess.Popen" and next(iter(arguments[1])) in ("git", "uname")
        if event in FORBIDDEN and not ours:
            seen.append(f"{event} {arguments}")
        if event == "exec" and getattr(arguments[0], "co_filename", "").startswith(str(here)):
            seen.append(f"exec {arguments[0].co_filename}")
        if event == "import" and arguments[0].partition(".")[0] == "evil":
            seen.append("import evil")

    sys.addaudithook(hook)
    told: list[tuple[object, list[str], str]] = []
    for words in verbs:
        out, code, watching = io.StringIO(), None, True
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                main(words)
        except SystemExit as stopped:
            code = stopped.code
        watching = False
        told.append((code, list(seen), out.getvalue()))
        seen.clear()
    answers.put(told)


def test_no_verb_runs_what_a_foreign_folder_holds(tmp_path: Path) -> None:
    pytest.importorskip("hypothesis")
    from tools.fuzz import Place

    place = Place.make(tmp_path).fresh()
    (place / "evil.py").write_text("open('was_here', 'w').close()\n")
    for path in (place / "run" / "settings.json", place / "data" / "metadata.json"):
        content = json.loads(path.read_text())
        described = content.get("data", content)
        described["env_id"] = "evil:evil/Env-v0"
        described["env_kwargs"] = {}
        write_json(path, content)
    write_json(
        place / "study.json",
        {"rows": [{"name": "a", "model": "ekvae"}], "collect": ["--env", "evil:evil/Env-v0"]},
    )
    for name in ("data/pickled.pkl", "run/policy.pkl"):
        (place / name).write_bytes(b"cos\nsystem\n(S'touch was_here'\ntR.")
    verbs = """
        imagine --run run --length 3 --sequences 2
        learn --run run --goal data/goal.png --updates 1 --horizon 2
        learn --run run --goal data/goal.png --policy evil --updates 1
        evaluate --run run --agent policy --episodes 1
        compare --run run --episodes 1
        train --run run --resume
        train --data data --run new --steps 1 --recipe source --no-progress --kappa 0.1
        inspect data
        study study.json --dry-run
    """
    answers = FORK.SimpleQueue()
    commands = [line.split() for line in verbs.strip().splitlines()]
    # A process of its own: a hook cannot be taken off again.
    process = FORK.Process(target=_watched, args=(place, commands, answers))
    process.start()
    told = answers.get()
    process.join(60)
    assert not (place / "was_here").exists()
    refused = []
    for words, (code, seen, out) in zip(commands, told, strict=True):
        assert not seen, (words, seen)
        assert code in (None, 0, 2) and "Traceback" not in out, (words, out)
        if code == 2 and "evil:evil/Env-v0" in out:
            refused.append(words[0])
    assert refused == ["evaluate", "compare", "study"], "they name the module, and do not import it"
    done = [words[0] for words, (code, _, _) in zip(commands, told, strict=True) if not code]
    assert {"imagine", "learn", "train"} <= set(done), told


@pytest.mark.parametrize(
    "words",
    [
        ["--run", "../elsewhere"],
        ["--run=../elsewhere"],
        ["--overwrite"],
        ["--no-overwrite"],
        ["--batch", "4", "--data", "x"],
        ["--resume"],
        ["--out", "x"],
    ],
)
@pytest.mark.parametrize("key", ["options", "train", "collect"])
def test_a_study_file_sets_no_places(tmp_path: Path, words: list[str], key: str) -> None:
    row: dict[str, object] = {"name": "a", "model": "ekvae"}
    content: dict[str, object] = {"rows": [row]}
    (row if key == "options" else content)[key] = words
    write_json(tmp_path / "mine.json", content)
    with pytest.raises(UserError, match=rf"mine\.json.*{key}: --\w.* is not for a study file"):
        read_study(tmp_path / "mine.json")


def test_every_option_that_names_a_place_is_among_those_that_study_files_may_not_give() -> None:
    for kind in (TrainOptions, CollectOptions):
        for field in dataclasses.fields(kind):
            if "Path" in str(field.type) or field.name in ("resume", "overwrite", "explain"):
                assert field.name.replace("_", "-") in PLACES, f"{kind.__name__}.{field.name}"
