"""Every tracker keeps what it is given, goes on with its run, and ends it: read back from where it went.

The trackers of others are played by stand-ins that record what is called; where the true ones are installed, the same
holds of them, offline.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
from PIL import Image

from latentrl.tracking import TRACKERS
from latentrl.tracking.base import Beginning, Kind

SETTINGS: dict[str, Any] = {"options": {"steps": 3}, "model": {"settings": {"hidden": [16]}}}
FIGURES = {1: {"train/rate": 0.8125, "train/sigma": 0.5}, 2: {"train/rate": 0.3125, "train/sigma": 0.125}}
LATER = {3: {"train/rate": 0.0625}}
"""Numbers that float32 holds, and that nothing else is written as."""


class Found(NamedTuple):
    """What there is to be read of a tracked run; None or empty where a tracker tells no such thing.

    ``rates`` is ``train/rate`` by step.
    """

    rates: dict[int, float]
    settings: bool | None
    files: set[str]
    ending: str | None


class FakeWandb(ModuleType):
    """Weights & Biases, as far as it is used."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: dict[str, Any] = {}
        self.errors = SimpleNamespace(UsageError=type("UsageError", (Exception,), {}), Error=Exception)

    class Settings(SimpleNamespace):
        """Whatever it is given."""

    def setup(self, settings: Any) -> Any:
        assert settings.silent
        return SimpleNamespace(settings=SimpleNamespace(mode="offline"))

    def Video(self, path: str, format: str) -> str:
        assert format == "gif"
        return f"video {Path(path).name}"

    def init(self, *, id: str | None, resume: str | None, config: Any, dir: str, settings: Any, **said: Any) -> Any:
        assert settings.silent and settings.console == "off" and Path(dir).is_dir()
        assert said["project"] == "mine" and said["name"] and said["group"]
        if id is None:
            id = f"w{len(self.runs)}"
            self.runs[id] = SimpleNamespace(rows={}, config=config, files=set(), code=None)
        else:
            assert resume == "allow" and id in self.runs
        kept = self.runs[id]

        def log(figures: dict[str, Any], step: int) -> None:
            assert step >= max(kept.rows, default=0), "W&B drops what is of an earlier step"
            kept.rows.setdefault(step, {}).update(figures)
            kept.files |= {value.split()[-1] for value in figures.values() if isinstance(value, str)}

        def log_artifact(path: str, type: str) -> None:
            kept.files.add(Path(path).name)

        def finish(exit_code: int) -> None:
            kept.code = exit_code

        return SimpleNamespace(
            id=id, offline=True, dir=f"{dir}/wandb/offline/files", log=log, log_artifact=log_artifact, finish=finish
        )


class FakeTrackio(ModuleType):
    """Trackio, as far as it is used."""

    def __init__(self) -> None:
        super().__init__("trackio")
        self.runs: dict[str, Any] = {}

    def Video(self, path: str) -> str:
        return f"video {Path(path).name}"

    def Markdown(self, text: str) -> str:
        json.loads(text.strip("`\n"))
        return "markdown figures.json"

    def init(self, *, project: str, name: str, group: str, config: Any, resume: str, **off: Any) -> Any:
        assert project == "mine" and group and resume == "allow" and not any(off.values())
        kept = self.runs.setdefault(name, SimpleNamespace(rows={}, config=config, files=set(), over=False))

        def log(figures: dict[str, Any], step: int) -> None:
            kept.rows.setdefault(step, {}).update(figures)
            kept.files |= {value.split()[-1] for value in figures.values() if isinstance(value, str)}

        def finish() -> None:
            kept.over = True

        return SimpleNamespace(log=log, finish=finish)


class FakeMlflow(ModuleType):
    """MLflow's client, as far as it is used."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.runs: dict[str, Any] = {}
        self.experiments: dict[str, str] = {}
        self.entities = SimpleNamespace(
            Metric=lambda name, value, timestamp, step: (name, value, step), Param=lambda name, value: (name, value)
        )

    def get_tracking_uri(self) -> str:
        return "sqlite:///mlflow.db"

    def MlflowClient(self) -> Any:
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        known = self.experiments.get(name)
        return None if known is None else SimpleNamespace(experiment_id=known)

    def create_experiment(self, name: str) -> str:
        assert name == "mine" and name not in self.experiments, "MLflow refuses a second one of that name"
        return self.experiments.setdefault(name, "7")

    def create_run(self, experiment: str, tags: Any, run_name: str) -> Any:
        assert experiment == "7" and tags["group"] and run_name
        run = f"m{len(self.runs)}"
        self.runs[run] = SimpleNamespace(rows={}, params={}, files=set(), state="RUNNING")
        return SimpleNamespace(info=SimpleNamespace(run_id=run))

    def update_run(self, run: str, status: str) -> None:
        self.runs[run].state = status

    def log_batch(self, run: str, metrics: Any = (), params: Any = ()) -> None:
        kept = self.runs[run]
        for name, value in params:
            assert name not in kept.params, "MLflow refuses to change a parameter"
            kept.params[name] = value
        for name, value, step in metrics:
            kept.rows.setdefault(step, {})[name] = value

    def log_artifact(self, run: str, path: str) -> None:
        self.runs[run].files.add(Path(path).name)

    def set_terminated(self, run: str, status: str) -> None:
        self.runs[run].state = status


def _rates(rows: dict[int, dict[str, Any]]) -> dict[int, float]:
    return {step: row["train/rate"] for step, row in rows.items() if "train/rate" in row}


def from_fake_wandb(fake: Any, run: str | None, folder: Path) -> Found:
    kept = fake.runs[run]
    ending = {0: "finished", 130: "interrupted", 1: "failed"}.get(kept.code)
    return Found(_rates(kept.rows), kept.config == SETTINGS, kept.files, ending)


def from_fake_trackio(fake: Any, run: str | None, folder: Path) -> Found:
    kept = fake.runs[run]
    return Found(_rates(kept.rows), kept.config["options.steps"] == 3, kept.files, None if kept.over else "runs")


def from_fake_mlflow(fake: Any, run: str | None, folder: Path) -> Found:
    kept = fake.runs[run]
    states = {"FINISHED": "finished", "KILLED": "interrupted", "FAILED": "failed"}
    return Found(_rates(kept.rows), kept.params["options.steps"] == "3", kept.files, states.get(kept.state))


def from_tensorboard(_: Any, run: str | None, folder: Path) -> Found:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "evaluation_log"))
    board.Reload()
    told = board.Tags()
    shown = {f"{tag}.gif" for tag in told["images"]} | {tag.removesuffix("/text_summary") for tag in told["tensors"]}
    rates = {event.step: event.value for event in board.Scalars("train/rate")}
    return Found(rates, "settings" in shown, shown & {"film.gif", "figures.json"}, None)


def from_mlflow(library: Any, run: str | None, folder: Path) -> Found:
    client = library.MlflowClient()
    found = client.get_run(run)
    rates = {one.step: one.value for one in client.get_metric_history(run, "train/rate")}
    files = {one.path for one in client.list_artifacts(run)}
    states = {"FINISHED": "finished", "KILLED": "interrupted", "FAILED": "failed"}
    return Found(rates, found.data.params["options.steps"] == "3", files, states.get(found.info.status))


def from_trackio(library: Any, run: str | None, folder: Path) -> Found:
    from trackio.sqlite_storage import SQLiteStorage

    rows = SQLiteStorage.get_logs("mine", run)
    files = {name if "." in name else f"{name}.gif" for row in rows for name in row if name in ("film", "figures.json")}
    return Found({row["step"]: row["train/rate"] for row in rows if "train/rate" in row}, None, files, None)


def from_wandb(library: Any, run: str | None, folder: Path) -> Found:
    """Offline runs are for `wandb sync` to read; that all is there is seen in their records, which a process of its own
    may write a moment later."""
    wanted = [str(row["train/rate"]).encode() for row in (FIGURES | LATER).values()]
    for _ in range(100):
        kept = sorted((folder / "wandb").glob(f"offline-run-*-{run}/*.wandb"))
        content = b"".join(path.read_bytes() for path in kept)
        if all(one in content for one in (*wanted, b"film", b"figures.json")):
            break
        if len(kept) == 1 and all(one in content for one in wanted[:2]):
            break
        time.sleep(0.1)
    found = {step: row["train/rate"] for step, row in (FIGURES | LATER).items()}
    rates = {step: rate for step, rate in found.items() if str(rate).encode() in content}
    files = {name for name in ("film.gif", "figures.json") if name.removesuffix(".gif").encode() in content}
    return Found(rates, b"hidden" in content, files, None)


Read = Callable[[Any, str | None, Path], Found]
FAKES: dict[str, tuple[type[ModuleType] | None, Read | None]] = {
    "tensorboard": (None, from_tensorboard),
    "trackio": (FakeTrackio, from_fake_trackio),
    "wandb": (FakeWandb, from_fake_wandb),
    "mlflow": (FakeMlflow, from_fake_mlflow),
}
TRUE: dict[str, Read] = {"trackio": from_trackio, "wandb": from_wandb, "mlflow": from_mlflow}


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Variables that keep the true trackers on this machine, and in this folder."""
    for name, value in {
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield


def check(kind: Kind, library: Any, read: Read | None, folder: Path) -> None:
    """A run that is interrupted, gone on with and finished holds all figures and files, and says how it ended.

    Args:
        kind: the tracker.
        library: that it uses, or the stand-in.
        read: what reads a run back; None where nobody knows: then only what the tracker says of itself is looked at.
        folder: of a run.
    """
    Image.new("L", (8, 8)).save(folder / "film.gif", save_all=True, append_images=[Image.new("L", (8, 8), 255)])
    (folder / "figures.json").write_text('{"successes": 3}\n')
    kind.require("--track it")
    beginning = Beginning("mine", "swing", "evaluation", folder, SETTINGS)
    first = kind.begin(beginning)
    run = first.run
    for step, figures in FIGURES.items():
        first.log(figures, step)
    first.finish("interrupted")
    assert first.where
    if read is not None:
        assert read(library, run, folder).ending in (None, "interrupted")
    again = kind.begin(beginning._replace(run=run))
    assert again.run == run
    for step, figures in LATER.items():
        again.log(figures, step)
    again.log_file(folder / "film.gif")
    again.log_file(folder / "figures.json")
    again.finish("finished")
    if read is None:
        return
    found = read(library, run, folder)
    assert found.rates == {step: figures["train/rate"] for step, figures in (FIGURES | LATER).items()}
    assert found.settings in (None, True) and found.ending in (None, "finished")
    assert found.files == {"film.gif", "figures.json"}


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_keeps_goes_on_and_ends(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    fake, read = FAKES.get(name, (None, None))
    library = None if fake is None else fake()  # type: ignore[call-arg]
    if library is not None:
        monkeypatch.setitem(sys.modules, name, library)
        library.__spec__ = SimpleNamespace()  # type: ignore[assignment]
    check(TRACKERS[name], library, read, tmp_path)


@pytest.mark.parametrize("name", TRUE)
def test_the_true_one_does_so_too(name: str, tmp_path: Path, offline: None) -> None:
    check(TRACKERS[name], pytest.importorskip(name), TRUE[name], tmp_path)


def test_every_tracker_is_played_by_somebody() -> None:
    assert FAKES.keys() <= TRACKERS.keys() and TRUE.keys() | {"tensorboard"} == FAKES.keys()
