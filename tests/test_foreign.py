"""Folders that somebody else has sent: nothing in them is run, imported or unpickled, whichever verb looks at them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from latentrl.data_collection.options import CollectOptions
from latentrl.studies.own import PLACES, read_study
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.training.options import TrainOptions

WATCHED = """
import contextlib, io, os, sys
from pathlib import Path

here = Path(sys.argv[1])
os.chdir(here)
sys.path.append(str(here))  # as `python -m` and the `latentrl` command look for modules in the current folder
from latentrl.__main__ import main

main.__globals__["_find_modules_here"]()
verbs = [line.split() for line in sys.argv[2].splitlines()]
told, on = [], False

def hook(event, arguments):
    if not on:
        return
    if event in ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class"):
        # Which version of the package made a run is asked of git.
        if not (event == "subprocess.Popen" and list(arguments[1])[:1] == ["git"]):
            told.append(f"{event} {arguments}")
    if event == "exec" and getattr(arguments[0], "co_filename", "").startswith(str(here)):
        told.append(f"exec {arguments[0].co_filename}")
    if event == "import" and arguments[0].partition(".")[0] == "evil":
        told.append("import evil")

sys.addaudithook(hook)
for words in verbs:
    out = io.StringIO()
    on = True
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(words)
        code = 0
    except SystemExit as stopped:
        code = stopped.code
    on = False
    print(words[0], code, *told, out.getvalue().strip().replace("\\n", " | ")[-300:] if code else "")
    told.clear()
"""


def test_no_verb_runs_what_a_foreign_folder_holds(pendulum_run: Path) -> None:
    place = pendulum_run.parent
    (place / "evil.py").write_text("open('was_here', 'w').close()\n")
    for path in (pendulum_run / "settings.json", place / "data" / "metadata.json"):
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
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(place), "\n".join(verbs.split("\n")[1:-1])],
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 9, done.stdout + done.stderr
    assert not (place / "was_here").exists()
    for line in lines:
        verb, code, *rest = line.split()
        assert code in ("0", "2") and not rest or rest[0].startswith(("error:", "warning:")), line
    refused = [line for line in lines if "evil:evil/Env-v0" in line]
    assert len(refused) == 3, "evaluate, compare and study name the module and do not import it: " + done.stdout


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
