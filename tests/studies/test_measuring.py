"""Runs are measured once, each in a process of its own, and what was measured becomes tables and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from latentrl.collect import CollectOptions, collect
from latentrl.geometry.geodesics import GEODESICS
from latentrl.metrics.likelihood import log_likelihood
from latentrl.runs.folder import METRICS, MODEL
from latentrl.studies import STUDIES
from latentrl.studies.cells import Cell, cells_of
from latentrl.studies.definition import Row, Study
from latentrl.studies.geometry import KINDS
from latentrl.studies.launchers.base import Ending, Job
from latentrl.studies.measurements import MEASUREMENTS
from latentrl.studies.measurements.geodesics import measure, random_pairs
from latentrl.studies.measuring import MEASURED, MODULE, figures_of, is_measured
from latentrl.studies.measuring import measure as measure_run
from latentrl.studies.own import read_study
from latentrl.studies.report import write_report
from latentrl.studies.running import run_study
from latentrl.study import StudyOptions, study
from latentrl.support.errors import UserError
from latentrl.train import train
from latentrl.training.options import TrainOptions

WHOLE = STUDIES["geometry"]
PLAN = replace(
    WHOLE,
    rows=(Row("iwae", "IWAE", "iwae", "elbo", "normal"),),
    tables=tuple(replace(table, rows=("iwae",)) for table in WHOLE.tables),
    claims=(),
)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """A run of the study, four steps long, with few importance samples."""
    out = tmp_path_factory.mktemp("study")
    (one,) = cells_of(PLAN, out, None, 1, 4, "latentrl", "cpu")
    collect(CollectOptions(out=one.data, sequences=8, test_sequences=8, length=3, num_envs=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latentrl.metrics.static.log_likelihood", partial(log_likelihood, samples=2))
        few = replace(MEASUREMENTS["geodesics"], measure=partial(measure, pairs=3), settings={"pairs": 3})
        patch.setitem(MEASUREMENTS, "geodesics", few)
        common: dict[str, Any] = {"model": "iwae", "objective": "elbo", "prior": "normal", "samples": 2, "batch": 3}
        train(TrainOptions(data=one.data, run=one.folder, steps=4, progress=False, device="cpu", **common))
        one.save_record("finished", None, 1.0)
        measure_run("geodesics", one.folder, one.data)
        yield one


def test_a_measured_run_has_lengths_of_every_kind_and_says_what_of(cell: Cell) -> None:
    figures = figures_of(cell.folder)
    wanted = {f"{what}_{kind}" for what in ("r2", "ratio", "low_ratio", "far_ratio", "seconds") for kind in GEODESICS}
    assert set(figures) == wanted | {"r2_line", "r2_euclid", "r2_data"}
    assert all(0 < figures[f"ratio_{kind}"] for kind in GEODESICS) and figures["ratio_discretised"] < 1.001
    assert is_measured(cell.folder, "geodesics") and set(KINDS) == set(GEODESICS)
    stored = json.loads((cell.folder / MEASURED).read_text())
    assert stored["settings"] == {"pairs": 3}


def test_other_settings_are_another_measurement(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(MEASUREMENTS["geodesics"], settings={"pairs": 100})
    monkeypatch.setitem(MEASUREMENTS, "geodesics", other)
    assert not is_measured(cell.folder, "geodesics")


def test_the_report_has_both_tables_and_the_three_figures(cell: Cell, tmp_path: Path) -> None:
    results = write_report(PLAN, [cell], PLAN.steps, {}, [tmp_path])
    assert results.values("iwae", "r2_graph") == {0: figures_of(cell.folder)["r2_graph"]}
    assert results.values("iwae", "test_rate"), "the training's own figures stay"
    made = {path.name for path in tmp_path.iterdir()}
    assert {"table_1.md", "table_2.md", "figure_5_1.png", "figure_5_2.png", "figure_5_3.png", "planes_1.png"} <= made
    assert "planes_2.png" not in made, "the same pictures once more"
    assert f"{figures_of(cell.folder)['r2_network']:.4f}" in (tmp_path / "table_1.md").read_text()


def test_what_tells_no_positions_is_refused(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentrl.studies.measurements.geodesics.load_any_model", lambda run: torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="reads no positions off single frames"):
        measure(cell.folder, cell.data)


def test_no_frame_is_paired_with_itself() -> None:
    pairs = random_pairs(3, 500)
    assert (pairs[0] != pairs[1]).all() and set(pairs.flatten().tolist()) == {0, 1, 2}


# -- the processes of a study, with a stand-in for them ----------------------------------------------------------------


class Jobs:
    """Runs no process: notes the jobs and leaves what a measuring leaves, but for seeds that are to fail."""

    def __init__(self, *failing: int) -> None:
        self.failing, self.commands = failing, list[tuple[str, ...]]()

    def __call__(
        self,
        jobs: Sequence[Job],
        workers: int,
        on_start: Callable[[Job], object] = lambda job: None,
        on_end: Callable[[Job, Ending], object] = lambda job, ending: None,
        on_tick: Callable[[Mapping[str, float]], object] = lambda running: None,
        inherited: Sequence[int] = (),
    ) -> None:
        for job in jobs:
            self.commands.append(job.command)
            bad = any(job.name.endswith(f"seed{seed}") for seed in self.failing)
            if not bad:
                content = {"measurement": "geodesics", "settings": dict(MEASUREMENTS["geodesics"].settings)}
                run = Path(job.command[job.command.index("--run") + 1])
                (run / MEASURED).write_text(json.dumps({**content, "figures": {"r2_graph": 0.5}}))
            job.log.write_text("error: no disk" if bad else "")
            on_end(job, Ending(2 if bad else 0, 1.0, False, 0))


def trained(study: Study, out: Path, seeds: int) -> tuple[Cell, ...]:
    cells = cells_of(study, out, None, seeds, study.steps, "latentrl", "cpu")
    for one in cells:
        one.folder.mkdir(parents=True)
        (one.folder / MODEL).touch()
        (one.folder / METRICS).write_text("{}")
        one.save_record("finished", None, 1.0)
    return cells


def test_what_is_trained_is_measured_once(tmp_path: Path) -> None:
    cells, jobs = trained(PLAN, tmp_path, 2), Jobs()
    for _ in range(2):
        run_study(PLAN, tmp_path, cells, 1, runs_jobs=jobs)
    assert [words[1:4] for words in jobs.commands] == [("-m", MODULE, "geodesics")] * 2
    assert [words[words.index("--data") + 1] for words in jobs.commands] == [str(one.data) for one in cells]
    run_study(replace(PLAN, measurement=None), tmp_path, trained(PLAN, tmp_path / "other", 1), 1, runs_jobs=jobs)
    assert len(jobs.commands) == 2, "a study that wants none has none"


def test_a_failed_measuring_is_told_after_the_others_and_tried_again(tmp_path: Path) -> None:
    cells, jobs = trained(PLAN, tmp_path, 3), Jobs(1)
    with pytest.raises(UserError, match=r"measuring iwae/seed1 failed: no disk"):
        run_study(PLAN, tmp_path, cells, 1, runs_jobs=jobs)
    assert [is_measured(one.folder, "geodesics") for one in cells] == [True, False, True]
    again = Jobs()
    run_study(PLAN, tmp_path, cells, 1, runs_jobs=again)
    assert len(again.commands) == 1 and is_measured(cells[1].folder, "geodesics")


def test_a_dry_run_tells_what_will_be_trained_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(StudyOptions(study="geometry", out=tmp_path / "out", seeds=3, rows=("iwae", "fm-vae"), dry_run=True))
    lines = capsys.readouterr().out.splitlines()
    measured = [line.split("--run ")[1].split()[0] for line in lines if f"{MODULE} geodesics" in line]
    rows = [(seed, row) for seed in range(3) for row in ("iwae", "fm-vae")]
    assert measured == [str(tmp_path / "out" / row / f"seed{seed}") for seed, row in rows]
    assert sum("latentrl.train" in line for line in lines) == len(rows)


def test_a_study_file_may_ask_for_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    rows = [{"name": "a", "model": "iwae"}]
    path.write_text(json.dumps({"rows": rows, "measurement": "geodesics"}))
    assert read_study(path).measurement == "geodesics"
    path.write_text(json.dumps({"rows": rows, "measurement": "weight"}))
    with pytest.raises(UserError, match=r"'weight' is unknown; there are geodesics"):
        read_study(path)
