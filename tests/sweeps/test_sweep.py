"""Sweeps: what a file may say, and trials of a stand-in for the trainer, which takes milliseconds."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import tyro

import latentrl.sweeps.running as running
from latentrl.runs.folder import HISTORY
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.sweep import SweepOptions, main, sweep
from latentrl.sweeps.definition import read_sweep
from latentrl.sweeps.figures import FIGURES, Judged, judged, losses, value_of
from latentrl.sweeps.ranges import Choice, Numbers
from latentrl.sweeps.trials import DATABASE, Trials
from latentrl.training.options import TrainOptions, check_options

FILE = """
figure = "elbo"
trials = 5
[train]
data = {data!r}
steps = 2000
[search]
kappa = {{ low = 0.01, high = 1.0, log = true }}
state-size = {{ low = 2, high = 9 }}
prior = ["vhp", "normal"]
"""
TRAINER = """
import json, pathlib, signal, sys, time
arguments = sys.argv[1:]
run = pathlib.Path(arguments[arguments.index("--run") + 1])
fresh = "--resume" not in arguments
run.mkdir(parents=True, exist_ok=True)
if fresh:
    (run / "settings.json").write_text(json.dumps({{"kappa": float(arguments[arguments.index("--kappa") + 1])}}))
    (run / "checkpoint.safetensors").touch()
kappa = json.loads((run / "settings.json").read_text())["kappa"]
def stop(*_):
    sys.exit(130)
signal.signal(signal.SIGINT, stop)
{how}
(run / "model.safetensors").touch()
(run / "checkpoint.safetensors").unlink()
"""
HISTORY_OF = (
    "rows = [f'{step},{10 * kappa},{kappa}' for step in range(20, 1501, 20)]\n"
    "(run / 'partial').write_text('step,rate,distortion\\n' + '\\n'.join(rows) + '\\n')\n"
    "(run / 'partial').rename(run / 'history.csv')\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "metadata.json").write_text("{}")
    path = tmp_path / "mine.toml"
    path.write_text(FILE.format(data=str(tmp_path / "data")))
    return path


def _trainer(monkeypatch: pytest.MonkeyPatch, how: str = "") -> list[tuple[str, ...]]:
    """Put a stand-in in the trainer's place, whose best kappa is 0.1; what it is called with."""
    calls = list[tuple[str, ...]]()

    def command(module: str, words: tuple[str, ...]) -> tuple[str, ...]:
        calls.append(words)
        return (sys.executable, "-S", "-E", "-c", TRAINER.format(how=how), *words)

    def found(run: Path, figure: str) -> Judged:
        return Judged(-abs(json.loads((run / "settings.json").read_text())["kappa"] - 0.1), ())

    monkeypatch.setattr(running, "command", command)
    monkeypatch.setattr(running, "judged", found)
    return calls


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_as_flags_and_ranges(file: Path) -> None:
    said = read_sweep(file)
    assert (said.figure, said.trials, said.options.steps) == ("elbo", 5, 2000)
    assert said.search["kappa"] == Numbers(0.01, 1.0, log=True)
    assert said.search["state-size"] == Numbers(2, 9) and said.search["prior"] == Choice(("vhp", "normal"))
    words = said.words({"state-size": 4})
    assert words[-2:] == ("--state-size", "4") and words[:2] == ("--data", str(file.parent / "data"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("figure = 'reward'\n[search]\nbatch = [1, 2]", "figure = 'reward': give one of prediction, elbo"),
        ("trials = 0\n[search]\nbatch = [1, 2]", "trials = 0: give one or more"),
        ("[serch]\nbatch = [1, 2]", "serch: there is no such key.*did you mean search?"),
        ("[train]\nsteps = 3", r"\[search\] names no flag"),
        ("[search]\nkapa = [1, 2]", r"\[search\] kapa: `latentrl train` has no such flag; did you mean kappa?"),
        ("[search]\nrun = ['a', 'b']", r"\[search\] run: the sweep sets this flag itself"),
        ("[search]\nseed = [1, 2]", r"\[search\] seed: the best of several seeds is luck"),
        ("[train]\nbatch = 3\n[search]\nbatch = [1, 2]", "batch is in .train. and in .search."),
        ("[search]\nbatch = 3", r"\[search\] batch: give { low = .., high = .. } or a list"),
        ("[search]\nbatch = [3]", r"\[search\] batch: give two or more different values"),
        ("[search]\nbatch = { low = 3, hi = 4 }", r"\[search\] batch: hi: there is no such key"),
        ("[search]\nbatch = { low = 4, high = 3 }", r"\[search\] batch: give numbers low and high"),
        ("[search]\nblur = { low = 0, high = 1, log = true }", r"\[search\] blur: log: .* a low above 0"),
        ("[search]\nkappa = { low = 0.1, high = 1, log = 1 }", r"\[search\] kappa: log = 1: give true or false"),
        ("[search]\nblur = { low = 0.5, high = 1, step = 2 }", r"\[search\] blur: step: give a whole number"),
        ("[search]\nbatch = { low = 1.5, high = 3.5 }", r"\[search\] batch: `latentrl train --batch 1.5`: it takes no"),
        ("[search]\nprior = ['vhp', 'vhb']", r"\[search\] --prior vhb: there is no such prior"),
        ("[train]\nbatch = 0\n[search]\nkappa = [1, 2]", r"\[train\] --batch 0"),
        ("[train]\nbatch = [1]\n[search]\nkappa = [1, 2]", r"\[train\] batch: give one value"),
        (f"[search]\nbatch = {{ low = 1, high = {10**400} }}", r"\[search\] batch: give whole numbers from -9007"),
        (f"[search]\nbatch = [1, {10**400}]", r"\[search\] batch: give whole numbers from -9007"),
        (f"[train]\nsteps = {10**400}\n[search]\nbatch = [1, 2]", r"\[train\] steps: give a number from -9007"),
        ("[search]\nposition_size = [1, 2]\nposition-size = [2, 3]", "position-size is there twice"),
        ("[search]\nbatch = { low = 4, high = 8, step = 5 }", r"\[search\] batch: step: 5 is more than .* high, 4"),
        ("[search]\nkappa = { low = -1.0, high = 0.5 }", r"\[search\] --kappa -1.0: give a number from 1e-12"),
        ("[search]\ntrack = ['tensorboard', 'nope']", r"\[search\] --track nope: there is no such tracker"),
        ("[search]\nbatch = { low = 0, high = 8 }", r"\[search\] --batch 0: give one or more"),
        ("[search]\nstate-size = [1, 3]", r"\[search\] state-size = 1: --position-size 2: give 1 to 1"),
        ("[train]\nblur = 2.0\n[search]\nstate-size = [2, 3]", r"\[train\] --blur 2.0: give a fraction"),
        (
            "[train]\nmodel = 'vae'\n[search]\nbatch = [1, 2]",
            "model = vae: what trials are compared by .* of sequences",
        ),
        ("[search", "is no TOML"),
    ],
    ids=range(31),
)
def test_what_a_file_cannot_say(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(UserError, match=f"{path}.*{told}"):
        read_sweep(path)


def test_values_may_suit_each_other_in_some_trials_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[search]\nstate-size = { low = 2, high = 9, step = 4 }\nposition-size = { low = 2, high = 6 }")
    assert read_sweep(path).search["state-size"].ends == (2, 6)
    path.write_text(path.read_text().replace("high = 6", "high = 7"))
    with pytest.raises(UserError, match=r"\[search\] --position-size 7: give 1 to"):
        read_sweep(path)


# -- trials ------------------------------------------------------------------------------------------------------------


def test_the_best_is_found_told_as_a_command_and_kept_between_calls(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, out = _trainer(monkeypatch), file.parent / "out"
    main([str(file), "--out", str(out), "--jobs", "2", "--trials", "2"])
    assert len(calls) == 2
    line = sweep(SweepOptions(file, out))
    with (out / "trials.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(calls) == len(rows) == 5 and {row["state"] for row in rows} == {"complete"}
    best = min(rows, key=lambda row: abs(float(row["kappa"]) - 0.1))
    assert float(best["elbo"]) == -abs(float(best["kappa"]) - 0.1)
    said = capsys.readouterr().out.splitlines()
    assert line in said and said[-1] == f"next: python -m latentrl.imagine --run {out / 'trials' / best['trial']}"
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "latentrl.train"]
    options = tyro.cli(TrainOptions, args=words[3:])
    check_options(options)
    assert not options.folder.exists() and options.folder.parent == out
    found = (options.kappa, options.state_size, options.prior, options.steps)
    assert found == (float(best["kappa"]), int(best["state-size"]), best["prior"], 2000)
    assert sweep(SweepOptions(file, out, report=True)) == line and len(calls) == 5
    file.write_text(file.read_text().replace("2000", "2001"))
    with pytest.raises(UserError, match=r"was begun with train = .* give another --out"):
        sweep(SweepOptions(file, out))


def test_a_trial_that_is_behind_is_stopped_early(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the seed's first values of kappa, 0.13, 0.07, 0.85, 0.14, 0.01 and 0.91, the last is that of a trial which
    ends if it is stopped alone."""
    _trainer(monkeypatch, f"{HISTORY_OF}time.sleep(60 if kappa > 0.9 else 0)")
    monkeypatch.setattr(running, "LOOK_SECONDS", 0.05)
    sweep(SweepOptions(file, file.parent / "out", trials=6))
    with (file.parent / "out" / "trials.csv").open() as table:
        states = {round(float(row["kappa"]), 2): row["state"] for row in csv.DictReader(table)}
    assert states == {**dict.fromkeys((0.13, 0.07, 0.85, 0.14, 0.01), "complete"), 0.91: "pruned"}


def test_a_trial_that_was_interrupted_is_gone_on_with(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, out = (
        _trainer(monkeypatch, "import os\nif fresh: os.kill(os.getppid(), 2); time.sleep(60)"),
        file.parent / "out",
    )
    with pytest.raises(KeyboardInterrupt):
        sweep(SweepOptions(file, out, trials=1))
    assert sweep(SweepOptions(file, out, trials=1)) is not None
    assert len(calls) == 2 and "--resume" in calls[1] and calls[1][1] == calls[0][1]
    with (out / "trials.csv").open() as table:
        (row,) = csv.DictReader(table)
    assert row["state"] == "complete" and row["run"] == calls[0][1]


def test_where_the_first_trials_fail_all_would(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _trainer(monkeypatch, "print('error: no memory'); sys.exit(2)")
    with pytest.raises(UserError, match="the first 3 trials have failed, the last because: no memory"):
        sweep(SweepOptions(file, file.parent / "out"))
    assert len(calls) == 3
    with pytest.raises(SystemExit) as stopped:
        main([str(file), "--out", str(file.parent / "out"), "--report"])
    assert stopped.value.code == 3


# -- what is stored ----------------------------------------------------------------------------------------------------


def _trials(file: Path, name: str = "out") -> Trials:
    """A sweep's trials, of which none has been asked for."""
    (file.parent / name).mkdir(exist_ok=True)
    return Trials(read_sweep(file), file.parent / name)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_the_database_lies_in_its_folder_whatever_the_name(file: Path) -> None:
    name = "a {b}#%20c?mode=memory"
    _trials(file, name).ask()
    assert sorted(one.name for one in file.parent.iterdir()) == sorted(["data", file.name, name])
    assert [one.name for one in (file.parent / name).iterdir()] == [DATABASE]
    assert _trials(file, name).take_up() == 1


def test_a_database_that_is_empty_or_gone_is_damaged(file: Path) -> None:
    out = file.parent / "out"
    (out / "trials").mkdir(parents=True)
    with pytest.raises(UserError, match=r"sweep.db is damaged \(it is gone.*give another --out"):
        _trials(file)
    with pytest.raises(UserError, match="there is no sweep in"):
        sweep(SweepOptions(file, out, report=True))
    (out / DATABASE).touch()
    (out / "trials.csv").write_text("mine")
    for report in (True, False):
        with pytest.raises(UserError, match=r"sweep.db is damaged \(it is empty\).*give another --out"):
            sweep(SweepOptions(file, out, report=report))
    assert (out / "trials.csv").read_text() == "mine" and not (out / DATABASE).stat().st_size


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sweep's file, and its database with one finished trial."""
    folder = tmp_path_factory.mktemp("sweep")
    path = folder / "mine.toml"
    path.write_text("[search]\nbatch = { low = 4, high = 8 }")
    found = _trials(path)
    found.tell(found.ask()[0], Judged(0.5, ("slow",)))
    return path, folder / "out" / DATABASE


@pytest.mark.parametrize(
    "change",
    [
        "update study_user_attributes set value_json = '[1]'",
        "update study_user_attributes set value_json = json_insert(value_json, '$.more', 1)",
        "delete from study_user_attributes",
        "update trial_user_attributes set value_json = '7' where key = 'warnings'",
        "update trial_user_attributes set value_json = '[7]' where key = 'warnings'",
        "update trial_user_attributes set value_json = '\"../x\"', key = 'folder' where key = 'warnings'",
        "delete from trial_values",
        "update trials set state = 'NOPE'",
        "update trial_params set distribution_json = '{'",
    ],
    ids=range(9),
)
def test_an_odd_database_is_damaged(tmp_path: Path, database: tuple[Path, Path], change: str) -> None:
    file, sound = database
    shutil.copy(sound, tmp_path)
    with sqlite3.connect(tmp_path / DATABASE) as changed:
        changed.execute(change)
    changed.close()
    with pytest.raises(UserError, match=r"sweep.db is damaged \(.*give another --out"):
        Trials(read_sweep(file), tmp_path)


def test_a_kill_while_trials_are_taken_up_doubles_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _trials(file)
    values = found.ask()[1]
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(found._study, "tell", _killed)
        found.take_up()
    again = _trials(file)
    assert again.take_up() == 1 and again.ask()[1:] == (values, again.folder / "trials" / "0")
    assert again.ask()[2].name == "2" and not again.ended


# -- figures -----------------------------------------------------------------------------------------------------------


def test_figures_are_ratios_of_held_out_ones() -> None:
    found = {"mse_predict_near": 1.0, "mse_still_near": 4.0, "test_elbo_per_step": 7.0}
    assert (value_of(found, "prediction"), value_of(found, "elbo")) == (0.25, 7.0)
    in_their_own = {**found, "scaled_predict_near": 1.0, "scaled_still_near": 2.0}
    assert value_of(in_their_own, "prediction") == 0.5, "each reading counts by its own deviation"
    assert value_of({}, "prediction") != value_of({}, "prediction")  # NaN
    assert (FIGURES["prediction"].sign, FIGURES["elbo"].sign) == (1, -1)


def test_losses_are_means_of_whole_blocks(tmp_path: Path) -> None:
    assert losses(tmp_path) == {}
    rows = [f"{step},{step},1" for step in (250, 500, 750, 1000, 1020)]
    (tmp_path / HISTORY).write_text("\n".join(["step,rate,distortion", *rows]))
    assert losses(tmp_path) == {500: 376.0, 1000: 876.0}


def test_a_run_is_judged_by_its_own_figures_and_warnings(tmp_path: Path) -> None:
    figures = {"mse_predict_near": 1.0, "mse_still_near": 2.0, "r2_angle": 0.1}
    write_json(tmp_path / "metrics.json", {**figures, "warnings": ["the constraint was not met"]})
    assert judged(tmp_path, "prediction") == Judged(0.5, ("the constraint was not met",))
