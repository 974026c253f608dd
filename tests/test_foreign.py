"""Folders that somebody else has sent: nothing in them is run, imported or unpickled, whichever verb looks at them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import shutil
import sys
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentrl.collect
from latentrl.__main__ import VERBS
from latentrl.data_collection import recording, storage
from latentrl.data_collection.options import CollectOptions
from latentrl.studies.own import PLACES, read_study
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.training.options import TrainOptions
from latentrl.types import Trajectory
from tests.crowd import heard
from tools import chaos

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class")
FORK = multiprocessing.get_context("fork")


def _watched(here: Path, verbs: list[list[str]], answers: SimpleQueue[list[tuple[object, list[str], str]]]) -> None:
    """Run verbs and tell of each its exit code, what happened that should not, and what it printed."""
    from latentrl import export
    from latentrl.__main__ import main
    from latentrl.exporting.checking import check_frames
    from latentrl.quickstarts import demo as show
    from latentrl.support.compiling import can_compile

    # Its film takes longer to draw than all else here; figures are drawn by others of the verbs, too.
    show.write = lambda *arguments: here / "demo.html"
    # So do graphs to trace: the agent has been read by then, and of what is foreign frames to check with are left. What
    # onnxruntime and PyTorch would do with the graphs of a foreign agent is not looked at.
    exact = dict.fromkeys(("onnx", "pt2"), dict.fromkeys(("mean", "covariance", "action"), 0.0))
    vars(export).update(
        write_graphs=lambda agent, folder: None,
        check_graphs=lambda agent, folder, data, steps, span: {
            "frames": check_frames(data, agent.model.spec, steps)[1],
            **exact,
        },
    )
    if can_compile():
        # What numba has kept of our own kernels it unpickles: that is the user's cache, and no foreign folder.
        from latentrl.agents.planners.kernels import kernel
        from latentrl.transitions.kernels import kernels

        kernel(), kernels()
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


MODULE = "evil:evil/Env-v0"
COMMANDS = """
    imagine --run run --length 3 --sequences 2
    learn --run run --goal data/goal.png --updates 1 --horizon 2
    learn --run run --goal data/goal.png --policy evil --updates 1
    evaluate --run run --agent policy --episodes 1
    compare --run run --episodes 1
    export --run run --steps 3
    train --run run --resume
    train --data data --run new --steps 1 --recipe source --no-progress --kappa 0.1 --backend reference
    inspect --data long
    study study.json --dry-run
    study study.json --out study --report
    suite --out suite --quick --report
    sweep sweep.toml --out swept --report
    quickstart --out quick
    collect --out half --resume
    import log --out imported
    import pickled --out imported2
    import data/train-v0 --out imported3
    push run somebody/run --dry-run
    pull somebody/run
    zoo get pendulum --out run
    demo --out demo
"""
NAMING = ["evaluate", "compare", "study", "study", "quickstart", "collect"]
"""Those that would need the module: they name it, and do not import it."""


def _foreign(folder: Path) -> Path:
    """Folders of every kind, each of which tries to have something of its own run; the working folder."""
    from tools.fuzz import Place

    place = Place.make(folder).fresh()
    (place / "evil.py").write_text("open('was_here', 'w').close()\n")
    # As many frames as there must be to estimate something from.
    walk = np.random.default_rng(0).normal(size=(16, 21, 2)).cumsum(1).astype(np.float32)
    storage.write(
        place / "long",
        "train",
        [Trajectory(one, np.diff(one[:, :1], axis=0)) for one in walk],
        {"action_low": [-9.0], "action_high": [9.0]},
    )
    described = [place / folder / "metadata.json" for folder in ("data", "long")]
    for path in (place / "run" / "settings.json", *described):
        content = json.loads(path.read_text())
        (content.get("data") or content).update(env_id=MODULE, env_kwargs={})
        write_json(path, content)
    write_json(
        place / "study.json",
        {"rows": [{"name": "a", "model": "ekvae"}], "collect": ["--env", MODULE]},
    )
    for name in ("data/pickled.pkl", "run/policy.pkl"):
        (place / name).write_bytes(b"cos\nsystem\n(S'touch was_here'\ntR.")
    (place / "sweep.toml").write_text("[search]\nbatch = [2, 4]\n")
    (place / "swept").mkdir()
    (place / "swept" / "sweep.db").write_bytes(b"cos\nsystem\n(S'touch was_here'\ntR.")
    # A quickstart that says that all but its evaluations is done.
    quick = place / "quick"
    shutil.copytree(place / "data", quick / "data")
    shutil.copytree(place / "run", quick / "model")
    finished = ["collect", "train", "learn"]
    write_json(quick / "stages.json", {"identity": {"seed": 0}, "finished": finished, "seconds": {}})
    # A suite that says how its steps are done.
    (place / "suite" / "pendulum-v1" / "seed0").mkdir(parents=True)
    step = {"words": ["touch", "was_here"], "state": "running", "reason": None, "seconds": 1.0}
    write_json(place / "suite" / "pendulum-v1" / "seed0" / "steps.json", {"collect": step, "train": step})
    half = CollectOptions(out=place / "half", sequences=4, test_sequences=2, length=5, num_envs=2)
    _interrupted(half, place / ".half.partial" / "unfinished.json")
    rng = np.random.default_rng(0)
    for kind in ("log", "pickled"):
        (place / kind).mkdir()
        for number in range(6):
            arrays: dict[str, Any] = {"observations": rng.normal(size=(9, 2)), "actions": rng.uniform(-1, 1, (9, 1))}
            more: dict[str, Any] = {"notes": np.array([Runs()], dtype=object)} if kind == "pickled" else {}
            np.savez(place / kind / f"{number}.npz", **arrays, **more)
    return place


class Runs:
    """Unpickled, it touches a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was_here",)


def _interrupted(options: CollectOptions, note: Path) -> None:
    """A collection that stopped after its train split, and says that a module of its own makes the environment."""
    record = recording.record

    def stopping(folder: Path, split: str, *rest: Any) -> None:
        if split == "test":
            raise KeyboardInterrupt
        record(folder, split, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(latentrl.collect, "record", stopping)
        with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            latentrl.collect.collect(options)
    content = json.loads(note.read_text())
    content["settings"]["env"] = MODULE
    write_json(note, content)


def test_no_verb_runs_what_a_foreign_folder_holds(tmp_path: Path) -> None:
    pytest.importorskip("hypothesis")
    place = _foreign(tmp_path)
    commands = [line.split() for line in COMMANDS.strip().splitlines()]
    assert {words[0] for words in commands} == set(VERBS), "every verb looks at something foreign"
    told = _all_told(place, commands)
    assert not (place / "was_here").exists()
    refused, done = [], []
    for words, (code, seen, out) in zip(commands, told, strict=True):
        assert not seen, (words, seen)
        assert code in (None, 0, 2) and "Traceback" not in out, (words, out)
        # What a verb cannot read on its command line tests nothing.
        assert "Parsing error" not in out and "Unrecognized" not in out, (words, out)
        if code == 2 and MODULE in out:
            refused.append(words[0])
        if not code:
            done.append(words[0])
    assert refused == NAMING, told
    assert {"imagine", "learn", "train", "inspect", "export", "suite", "import"} <= set(done), told


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


WRITING = """
    imagine --run run --length 3 --sequences 2
    learn --run run --goal data/goal.png --updates 1 --horizon 2
    train --run begun --resume --no-progress
    inspect --data long
    study study.json --out study --data-dir data --report --seeds 1
    suite --out suite --quick --report
"""


def test_no_verb_writes_through_links_of_a_foreign_folder(tmp_path: Path) -> None:
    pytest.importorskip("hypothesis")
    place = _foreign(tmp_path)
    commands = [line.split() for line in WRITING.strip().splitlines()]
    mine, clean = tmp_path / "mine", tmp_path / "clean"
    mine.mkdir()
    content = json.loads((place / "run" / "settings.json").read_text())
    (place / "begun").mkdir()
    options = {**content["options"], "run": str(place / "begun"), "steps": 1, "recipe": "source", "kappa": 0.1}
    training = {**content["training"], "steps": 1, "starts": 1, "warm_start": 0}
    write_json(place / "begun" / "settings.json", {**content, "options": options, "training": training})
    shutil.copytree(place, clean)
    before = {path.relative_to(place) for path in place.rglob("*")}
    first = _all_told(place, commands)
    written = [path for path in sorted(place.rglob("*")) if path.relative_to(place) not in before]
    names = [path.relative_to(place) for path in written if path.relative_to(place).parent in before]
    assert len(names) > 12, names
    # The same once more, with a link in the way of each file and folder that was made.
    shutil.rmtree(place)
    clean.rename(place)
    for name in names:
        target = mine / str(name).replace("/", "-")
        if folder := name.suffix == "" and not name.name.startswith("."):
            target.mkdir()
            (place / name).symlink_to(target)
        else:
            target.write_text("mine")
            for link in (place / name, (place / name).with_name(f"{name.name}.partial")):
                link.symlink_to(target)
        assert folder == target.is_dir()
    told = _all_told(place, commands)
    for path in mine.iterdir():
        assert not list(path.iterdir()) if path.is_dir() else path.read_text() == "mine", (path, told)
    for (code, _, out), (was, _, _) in zip(told, first, strict=True):
        assert code in (None, 0, 2) and "Traceback" not in out, out
        assert code == was or "link" in out or "damaged" in out, out


@pytest.mark.parametrize("words", ["compare --run run", "export --run run --overwrite", "quickstart --out quick"])
def test_folders_that_are_links_are_not_written_into(
    tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("hypothesis")
    from latentrl.__main__ import main
    from tools.fuzz import Place

    place = Place.make(tmp_path).fresh()
    monkeypatch.chdir(place)
    # Data, and an export, that would be replaced where they are.
    shutil.copytree(place / "data", tmp_path / "mine")
    (tmp_path / "mine" / "agent.json").write_text("{}")
    before = sorted(path.name for path in (tmp_path / "mine").iterdir())
    (place / "quick").mkdir()
    write_json(place / "quick" / "stages.json", {"identity": {"seed": 0}, "finished": [], "seconds": {}})
    for link in ("run/compare", "run/export", "quick/data"):
        (place / link).symlink_to(tmp_path / "mine")
    with pytest.raises(SystemExit) as stopped:
        main(words.split())
    assert stopped.value.code == 2
    assert f"is a link to {tmp_path / 'mine'}" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == before


def _all_told(place: Path, commands: list[list[str]]) -> list[tuple[object, list[str], str]]:
    chaos.preload_late()
    answers = FORK.SimpleQueue()
    # A process of its own: a hook cannot be taken off again.
    process = FORK.Process(target=_watched, args=(place, commands, answers))
    process.start()
    try:
        told: list[tuple[object, list[str], str]] = heard(answers, 300)
        process.join(60)
    finally:
        process.kill()
    return told
