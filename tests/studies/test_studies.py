"""The parts of a study: rows, tables, claims, time left, processes, figures."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentrl.figures.latents import Colouring
from latentrl.figures.theme import to_png
from latentrl.models import MODELS, STATICS
from latentrl.objectives import OBJECTIVES
from latentrl.priors import PRIORS
from latentrl.studies import STUDIES
from latentrl.studies.cells import Cell, State, cells_of, reason
from latentrl.studies.claims import claims_markdown, examine
from latentrl.studies.definition import Claim, Column, Row, Study, Table, Term
from latentrl.studies.figures import Barrel, Lengths, Plane, annealing_lengths, barrels, planes, strips
from latentrl.studies.launchers.base import Ending, Job
from latentrl.studies.launchers.local import run_jobs
from latentrl.studies.own import read_study
from latentrl.studies.progress import expected_seconds, in_words, left_of, seconds_left
from latentrl.studies.record import compare
from latentrl.studies.results import Outcome, Results
from latentrl.studies.running import outcome
from latentrl.studies.tables import csv_table, grid, markdown_table
from latentrl.support.errors import UserError

GOOD, BAD, BEST = (Row(name, name.upper(), "ekvae", "rewo", "vhp") for name in ("good", "bad", "best"))
TABLE = Table("9.9", "A test", (Column("r2", "R²", ".3f"), Column("mse", "MSE", ".2e")), ("good", "bad"))
STUDY = Study("test", "A test", None, (), (), 100, (GOOD, BAD, BEST), (TABLE,), minutes={"ekvae": 2.0})


Figures = Sequence[dict[str, float] | None]


def results(**figures: Figures) -> Results:
    """Results of rows by name: figures by seed, None for a failed run."""
    found = []
    for name, by_seed in figures.items():
        for seed, metrics in enumerate(by_seed):
            state: State = "failed" if metrics is None else "finished"
            why = "the gradient is nan" if metrics is None else None
            found.append(Outcome(STUDY.row(name), seed, state, metrics or {}, why, 60.0, "train"))
    return Results(tuple(found))


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_a_studys_rows_tables_and_claims_fit_each_other(study: Study) -> None:
    names = [row.name for row in study.all_rows]
    assert len(set(names)) == len(names)
    assert {row.name for row in study.rows} == {name for table in study.tables for name in table.rows}
    for row in study.all_rows:
        assert row.model in {**MODELS, **STATICS} and row.objective in OBJECTIVES and row.prior in PRIORS
        assert (row.objective == "annealing") == (row.annealing is not None)
        assert row.model in study.minutes
    for table in study.tables:
        columns = {column.key for column in table.columns}
        known = {column for name in table.rows for column in study.row(name).published if column in columns}
        if study.measurement is None:
            # A table of the source is transcribed as a whole.
            assert all(set(study.row(name).published) >= known for name in table.rows)
            assert known == columns
        else:
            # Where the source shows figures, there is nothing to transcribe; nor of what is measured our way.
            assert known < columns
    for claim in study.claims:
        for side in (claim.larger, claim.smaller):
            if isinstance(side, Term):
                assert {side.row, *side.rivals} <= set(names)


def test_the_pendulum_has_the_published_rows() -> None:
    study = STUDIES["pendulum"]
    assert [len(table.rows) for table in study.tables] == [9, 4]
    assert study.row("dks-annealing").published["r2_velocity"] == 0.040
    assert study.row("vhp-rssm-co").published["mse_predict_filtered_mean"] == 4.80e-4
    assert study.row("ekvae-annealing-0.25").annealing == 0.25


def test_the_pendulums_claims_hold_for_the_published_figures() -> None:
    """The source's own table, as if it were three seeds of ours, bears out what the source says about it."""
    study = STUDIES["pendulum"]
    outcomes = tuple(
        Outcome(row, seed, "finished", dict(row.published), None, 1.0, "") for row in study.rows for seed in range(3)
    )
    findings = [examine(claim, study, Results(outcomes)) for claim in study.claims]
    # The source publishes neither a figure of its generated sequences nor the EKVAE's filtered error.
    unpublished = [f for f in findings if "generated" in f.claim.text or "gains more" in f.claim.text]
    assert len(unpublished) == 5 and {f.verdict for f in unpublished} == {"not tested"}
    assert {f.verdict for f in findings if f not in unpublished} == {"holds"}


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_shows_mean_interval_seeds_and_the_published_figure() -> None:
    rows = [replace(GOOD, published={"r2": 0.992}), BAD]
    found = results(good=[{"r2": 0.5, "mse": 1e-4}, {"r2": 0.7, "mse": 3e-4}], bad=[{"r2": 0.1, "mse": 2e-3}, None])
    text = markdown_table(TABLE, rows, found)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["model", "R²", "published", "MSE", "seeds"]
    assert cells[2] == ["GOOD", "0.600 [0.500, 0.700]", "0.992", "2.00e-04 [1.00e-04, 3.00e-04]", "2"]
    assert cells[3] == ["BAD", "0.100", "–", "2.00e-03", "1 of 2, 1 failed"]
    assert "- **failed**: BAD, seed 1: the gradient is nan" in text
    assert "**Quick" not in text and "**Quick" in markdown_table(TABLE, rows, found, "Quick look")


def test_a_csv_table_is_unrounded_and_names_what_is_missing() -> None:
    found = results(good=[{"r2": 1 / 3}, {"r2": 2 / 3}], bad=[None, None])
    lines = list(csv.DictReader(io.StringIO(csv_table(TABLE, [GOOD, BAD], found, 50, quick=True))))
    first = {(line["row"], line["figure"]): line for line in lines}
    assert float(first["good", "r2"]["low"]) == 1 / 3 and first["good", "r2"]["seeds"] == "2"
    assert first["bad", "r2"]["mean"] == "" and first["bad", "r2"]["failed"] == "2"
    assert {(line["steps"], line["quick"]) for line in lines} == {("50", "True")}


def test_a_column_that_no_run_has_is_explained() -> None:
    assert "No run measured MSE (`mse`)" in markdown_table(TABLE, [GOOD, BAD], results(good=[{"r2": 0.5}]))
    assert "No run measured" not in markdown_table(TABLE, [GOOD], results(good=[None]))


def test_a_value_that_is_not_finite_is_shown() -> None:
    text = markdown_table(TABLE, [GOOD], results(good=[{"r2": float("nan")}, {"r2": 1.0}]))
    assert "nan" in text


def test_a_grid_is_aligned_markdown() -> None:
    assert grid(["model", "R²"], [["a", "0.1"], ["longer", "10"]]) == [
        "| model  |  R² |",
        "| ------ | --: |",
        "| a      | 0.1 |",
        "| longer |  10 |",
    ]


# -- claims ------------------------------------------------------------------------------------------------------------


def finding(claim: Claim, **figures: Figures) -> Any:
    return examine(claim, STUDY, results(**figures))


BEATS = Claim("good beats bad", Term("good", "r2"), Term("bad", "r2"))


def test_a_claim_is_tested_seed_by_seed() -> None:
    good, bad = [0.9, 0.5, 0.7], [0.8, 0.4, 0.65]
    found = finding(BEATS, good=[{"r2": v} for v in good], bad=[{"r2": v} for v in bad])
    assert found.verdict == "holds" and found.test.p == 1 / 8
    assert found.test.difference.mean == pytest.approx(0.25 / 3)
    page = claims_markdown([found])
    assert "smallest p that the seeds allow is 1/8" in page and "no claim can reach 0.05" in page
    assert "| good beats bad | GOOD, R²: 0.7 | BAD, R²: 0.617 | +0.0833 [+0.05, +0.1] |" in page


def test_the_wrong_way_round_does_not_hold_and_a_mixture_is_undecided() -> None:
    low, high = [{"r2": 0.1}, {"r2": 0.2}], [{"r2": 0.5}, {"r2": 0.6}]
    assert finding(BEATS, good=low, bad=high).verdict == "does not hold"
    assert finding(BEATS, good=[{"r2": 0.1}, {"r2": 0.9}], bad=[{"r2": 0.5}, {"r2": 0.5}]).verdict == "undecided"


def test_five_agreeing_seeds_are_significant() -> None:
    found = finding(BEATS, good=[{"r2": 0.9}] * 5, bad=[{"r2": 0.8}] * 5)
    assert found.test.p == 1 / 32 and "0.05 is in reach" in claims_markdown([found])


def test_a_failed_partner_leaves_its_seed_out_and_is_said() -> None:
    found = finding(BEATS, good=[{"r2": 0.9}] * 3, bad=[{"r2": 0.8}, None, {"r2": 0.7}])
    assert found.test.pairs == 2 and found.missing == 1
    assert "1 seed(s) on one side alone" in claims_markdown([found])


def test_a_claim_without_figures_is_not_tested() -> None:
    found = finding(BEATS, good=[{"r2": 0.9}])
    assert found.verdict == "not tested" and "no run has the figures" in claims_markdown([found])


def test_a_ratio_compares_logarithms() -> None:
    claim = Claim("bad errs more", Term("bad", "mse"), Term("good", "mse"), ratio=True)
    found = finding(claim, good=[{"mse": 1e-4}, {"mse": 1e-3}], bad=[{"mse": 4e-4}, {"mse": 4e-3}])
    assert 10**found.test.difference.mean == pytest.approx(4)
    assert "×4 [4, 4]" in claims_markdown([found])


def test_a_bound_is_a_claim_too() -> None:
    claim = Claim("velocity stays out of z", 0.3, Term("good", "r2"))
    assert finding(claim, good=[{"r2": 0.1}, {"r2": 0.2}]).verdict == "holds"
    assert finding(claim, good=[{"r2": 0.9}, {"r2": 0.8}]).verdict == "does not hold"


def test_the_best_rival_is_the_one_to_beat() -> None:
    claim = Claim("good beats the best", Term("good", "r2"), Term("bad", "r2", rivals=("best",)))
    figures = {"good": [{"r2": 0.5}, {"r2": 0.5}], "bad": [{"r2": 0.1}, {"r2": 0.1}]}
    assert finding(claim, **figures).verdict == "holds"
    found = finding(claim, **figures, best=[{"r2": 0.8}, {"r2": 0.9}])
    assert found.verdict == "does not hold" and "BEST" in found.sides[1]


def test_a_term_can_be_a_quotient() -> None:
    claim = Claim("gains more", Term("good", "mse", over="r2"), Term("bad", "mse", over="r2"))
    found = finding(claim, good=[{"mse": 6.0, "r2": 2.0}] * 2, bad=[{"mse": 4.0, "r2": 2.0}] * 2)
    assert found.verdict == "holds" and found.test.difference.mean == 1.0


# -- runs --------------------------------------------------------------------------------------------------------------


def cell(tmp_path: Path, row: Row = GOOD, seed: int = 0) -> Cell:
    cells = cells_of(STUDY, tmp_path, None, seed + 1, 100, "latentrl", "cpu")
    return next(cell for cell in cells if cell.row == row and cell.seed == seed)


def test_a_cells_state_is_read_off_its_files(tmp_path: Path) -> None:
    one = cell(tmp_path)
    assert one.state() == "waiting" and one.open
    one.folder.mkdir(parents=True)
    (one.folder / "settings.json").write_text("{}")
    assert one.state() == "interrupted" and one.next_arguments()[-2:] == ("--resume", "--no-progress")
    one.save_record("failed", "diverged", 3.0)
    assert one.state() == "failed" and not one.open and one.spent == 3.0
    (one.folder / "model.safetensors").touch()
    (one.folder / "checkpoint.safetensors").touch()
    assert one.state() == "failed"
    (one.folder / "checkpoint.safetensors").unlink()
    assert one.state() == "finished"


def test_annealing_is_a_share_of_the_steps(tmp_path: Path) -> None:
    annealed = replace(GOOD, name="annealed", objective="annealing", annealing=0.25)
    study = replace(STUDY, rows=(annealed,), train=("--kappa", "0.1"))
    arguments = cells_of(study, tmp_path, None, 1, 200, "source", "cpu")[0].arguments
    text = " ".join(arguments)
    assert "--annealing-steps 50" in text and "--recipe source" in text and "--kappa 0.1" in text


def test_effort_multiplies_the_steps_the_annealing_and_the_time(tmp_path: Path) -> None:
    annealed = replace(GOOD, name="annealed", objective="annealing", annealing=0.25, effort=3.0)
    study = replace(STUDY, rows=(annealed, BAD))
    slow, other = cells_of(study, tmp_path, None, 1, 200, "latentrl", "cpu")
    assert "--annealing-steps 150" in " ".join(slow.arguments) and "--steps 600" in " ".join(slow.arguments)
    assert "--steps 200" in " ".join(other.arguments)
    assert left_of([slow], [slow], {"ekvae": 2.0}, 1) == 3 * left_of([other], [other], {"ekvae": 2.0}, 1) == 360.0


@pytest.mark.parametrize(
    ("code", "stopped", "state"),
    [(2, False, "failed"), (130, False, "interrupted"), (-9, False, "failed"), (1, True, "interrupted")],
)
def test_how_a_training_ended_says_its_state(tmp_path: Path, code: int, stopped: bool, state: str) -> None:
    assert outcome(cell(tmp_path), Ending(code, 1.0, stopped, 0))[0] == state


def test_a_reason_is_the_last_error_of_this_try(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: of an earlier try\n")
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write("fine so far\nerror: runs/x: the gradient is nan\n\n")
    assert reason(log, offset, 2) == "runs/x: the gradient is nan"
    assert reason(log, log.stat().st_size, 3) == "exit code 3"
    assert "out of memory" in reason(log, offset, -signal.SIGKILL)


def test_a_reason_is_the_exception_of_the_last_traceback(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = "Traceback (most recent call last):\n  File 'x', line 3, in f\n    f(\n    ^^\n{}\nwarning: slow\n"
    for said, told in (
        ("json.JSONDecodeError: no 'end\nof text\n'", "json.JSONDecodeError: no 'end"),
        (
            "RuntimeError: errors in loading:\n\tkey missing: 'a'\n\tothers",
            "RuntimeError: errors in loading: key missing: 'a'",
        ),
    ):
        log.write_text(
            lines.format("KeyError: 3") + "\nDuring handling of it another occurred:\n\n" + lines.format(said)
        )
        assert reason(log, 0, 1) == told
    log.write_text("Traceback (most recent call last):\n  File 'x', line 3\n")
    assert reason(log, 0, 1) == "File 'x', line 3"


def test_jobs_run_as_many_at_a_time_as_asked_for(tmp_path: Path) -> None:
    code = "import os, time; print(os.environ['OMP_NUM_THREADS']); time.sleep(0.3)"
    jobs = [Job(str(n), (sys.executable, "-S", "-E", "-c", code), tmp_path / f"{n}.log") for n in range(3)]
    endings: dict[str, int] = {}
    most: list[int] = []
    run_jobs(
        jobs,
        2,
        on_end=lambda job, ending: endings.update({job.name: ending.code}),
        on_tick=lambda running: most.append(len(running)),
    )
    assert endings == {"0": 0, "1": 0, "2": 0} and max(most) == 2
    assert {job.log.read_text() for job in jobs} == {"1\n"}


def test_the_time_left_is_learned_from_finished_runs(tmp_path: Path) -> None:
    one, two = cell(tmp_path), cell(tmp_path, seed=1)
    assert left_of([one, two], [one, two], {"ekvae": 2.0}, 1) == 240
    one.folder.mkdir(parents=True)
    (one.folder / "model.safetensors").touch()
    one.save_record("finished", None, 30.0)
    assert left_of([two], [one, two], {"ekvae": 2.0}, 1) == 30
    assert left_of([two], [one, two], {"ekvae": 2.0}, 1, {two.name: 10.0}) == 20
    assert left_of([two], [one, two], {"ekvae": 2.0}, 1, {two.name: 99.0}) == pytest.approx(0.6)


def test_runs_of_the_same_model_tell_most_after_those_of_the_same_row(tmp_path: Path) -> None:
    good, bad = cell(tmp_path), cell(tmp_path, BAD)
    assert expected_seconds(cell(tmp_path, seed=1), {good: 10.0, bad: 50.0}, 1.0) == 10.0
    assert expected_seconds(cell(tmp_path, BEST), {good: 10.0, bad: 50.0}, 1.0) == 30.0


def test_the_longest_run_bounds_the_time_left() -> None:
    assert seconds_left([10.0, 10.0, 10.0], 2) == 15.0
    assert seconds_left([100.0, 1.0], 8) == 100.0
    assert [in_words(s) for s in (50, 720, 11100)] == ["50 s", "12 min", "3 h 05 min"]


def test_what_is_shared_is_compared_not_claimed() -> None:
    shared, differing = compare({"a": {"batch": 50, "model": "x"}, "b": {"batch": 50, "model": "y", "blur": 1}})
    assert shared == {"batch": 50}
    assert differing == {"model": {"a": "x", "b": "y"}, "blur": {"a": None, "b": 1}}


# -- rows of one's own -------------------------------------------------------------------------------------------------


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_rows_of_ones_own(tmp_path: Path) -> None:
    rows = [
        {"name": "wide", "model": "ekvae", "options": ["--state-size", 6]},
        {"name": "slow", "model": "dks", "objective": "annealing", "annealing": 1, "prior": "normal", "effort": 3},
    ]
    study = read_study(write(tmp_path / "mine.json", {"rows": rows, "columns": ["r2_velocity"], "steps": 10}))
    assert study.name == "mine" and study.steps == 10
    assert study.row("wide").options == ("--state-size", "6") and study.row("slow").annealing == 1
    assert (study.row("wide").effort, study.row("slow").effort) == (1, 3)
    assert [column.key for column in study.tables[0].columns] == ["r2_velocity"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "JSON object"),
        ({"rows": []}, "no rows"),
        ({"row": []}, "'row' is unknown; there are name"),
        ({"rows": [{"name": "a"}]}, "row 1: has no 'model'"),
        ({"rows": [{"name": "a", "model": 3}]}, "'model' is 3; give a str"),
        ({"rows": [{"name": "a", "model": "dks"}] * 2}, "'a' is used twice"),
        ({"rows": [{"name": "a/b", "model": "dks"}]}, "makes no folder"),
        ({"rows": [{"name": "a", "model": "dks", "annealing": 0.5}]}, "go together"),
        ({"rows": [{"name": "a", "model": "dks", "objective": "annealing", "annealing": 0}]}, "above 0"),
        ({"rows": [{"name": "a", "model": "dks", "effort": 0}]}, "'effort' is 0"),
        ({"rows": [{"name": "a", "model": "dks"}], "steps": 0}, "'steps' is 0"),
        ({"name": "../x", "rows": [{"name": "a", "model": "dks"}]}, "makes no folder"),
    ],
)
def test_a_bad_study_file_is_refused_with_the_place(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_study(write(tmp_path / "mine.json", content))


# -- figures -----------------------------------------------------------------------------------------------------------


def test_the_figures_are_drawn() -> None:
    random = np.random.default_rng(0)
    colourings = [
        Colouring("by angle", random.normal(size=50), "angle"),
        Colouring("by speed", np.ones(50), "velocity"),
    ]
    barrel = Barrel(random.normal(size=(50, 3)), colourings)
    true = random.random((6, 8, 8))
    lengths = Lengths("EKVAE", {0.5: [0.1, 0.4], 0.125: [0.2, 0.2]}, [0.99, 0.98])
    drawn = (barrels({"a": barrel, "b": barrel, "c": barrel}), strips(true, {"a": true}), annealing_lengths([lengths]))
    assert all(to_png(figure, 40).startswith(b"\x89PNG") for figure in drawn)
    assert [axes.get_title() for axes in drawn[0].axes] == ["by angle", "by speed"] * 3
    flat = Plane(random.normal(size=(50, 2)), colourings[0], random.normal(size=(9, 2)), random.normal(size=(3, 2)))
    assert len(planes({"a": flat, "b": flat}).axes) == 4
    labels = [label.get_text() for label in drawn[2].axes[0].get_xticklabels()]
    assert labels == ["0.125", "0.5", "CO"]


def test_figures_refuse_what_they_cannot_draw() -> None:
    with pytest.raises(ValueError, match="one model or more"):
        barrels({})
    with pytest.raises(ValueError, match="one model or more"):
        planes({})
    with pytest.raises(ValueError, match="one model or more"):
        annealing_lengths([])
    with pytest.raises(ValueError, match="predicted"):
        strips(np.zeros((6, 8, 8)), {"a": np.zeros((5, 8, 8))})
