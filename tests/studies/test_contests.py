"""Contests: what their commands are, what is made of their figures, and that the published page is that of its file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from latentrl.agents.options import LearnOptions
from latentrl.agents.planners import PLANNERS
from latentrl.data_collection.options import parse
from latentrl.envs import TASKS
from latentrl.evaluation.options import EvaluateOptions
from latentrl.models import MODELS
from latentrl.objectives import OBJECTIVES
from latentrl.studies import CONTESTS
from latentrl.studies.contests.definition import AGENTS, LEARNERS, Contest, run_name, success_rate
from latentrl.studies.contests.page import NO_RESULT, page, verdict
from latentrl.studies.contests.results import results_of
from latentrl.studies.definition import Claim, Row, Term
from latentrl.studies.suite.chain import Chain
from latentrl.studies.suite.commands import Place, filled, steps_of
from latentrl.studies.suite.outcome import outcome_of
from latentrl.studies.systems.base import Evaluation, System
from latentrl.study import StudyOptions, main, study
from latentrl.training.options import TrainOptions

OPTIONS = {"train": TrainOptions, "learn": LearnOptions, "evaluate": EvaluateOptions}
RUNS = {name: run for contest in CONTESTS.values() for name, run in contest.runs().items()}

GAME = System("game", "A game", evaluations=(Evaluation("game", "to win", (), "successes", 0.9),))
CLEAR, DARK = Row("clear", "Clear", "ekvae", "rewo", "vhp"), Row("dark", "Dark", "rssm", "rewo", "vhp")
BETTER = Claim("clear beats dark", Term("clear", success_rate("game")), Term("dark", success_rate("game")))
CONTEST = Contest("toy", "A contest", "that clarity wins", (GAME,), (CLEAR, DARK), 8, (BETTER,))


def seed_of(number: int, wins: int, of: int = 10, agents: tuple[str, ...] = tuple(AGENTS)) -> dict[str, Any]:
    """A seed in which every agent wins ``wins`` episodes, the k-th after k seconds, and acts 200 times a second."""
    seconds = [float(k) if k < wins else None for k in range(of)]
    judged = {"success": [k < wins for k in range(of)], "seconds": seconds, "hz": 200.0}
    return {
        "seed": number,
        "steps": {"learn": {"state": "finished", "seconds": 30.0}, "learn sac": {"state": "finished", "seconds": 90.0}},
        "r2": {"angle": 0.9},
        "train_seconds": 300.0,
        "figures": {"mse_predict_mean": 2e-4, "mse_mean_image": 3e-2},
        "evaluations": {"game": dict.fromkeys(agents, judged)},
    }


def found_of(clear: list[dict[str, Any]], dark: list[dict[str, Any]]) -> dict[str, Any]:
    return {"systems": {"game-clear": clear, "game-dark": dark}, "lacking": {}, "quick": False}


def cells(text: str, table: int) -> list[list[str]]:
    """The rows of a table, by its number."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[table].splitlines()]


# -- what a contest is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contest", CONTESTS.values(), ids=lambda contest: contest.name)
def test_its_rows_systems_and_claims_fit_each_other(contest: Contest) -> None:
    assert len(contest.runs()) == len(contest.rows) * len(contest.systems)
    for row in contest.rows:
        assert row.model in MODELS and row.objective in OBJECTIVES and row.model in contest.minutes
    for system in contest.systems:
        (evaluation,) = system.evaluations
        assert evaluation.score == "successes"
        assert evaluation.options[evaluation.options.index("--task") + 1] in TASKS
    figures = {column.key for column in contest.columns}
    for claim in contest.claims:
        for side in (claim.larger, claim.smaller):
            assert isinstance(side, Term) and side.figure in figures
            row = contest.row(side.row)
            said = {success_rate(system.name, agent) for system in contest.systems for agent in contest.agents_of(row)}
            assert side.figure in said | {success_rate(system.name) for system in contest.systems}
    assert set(contest.agents) == {agent for row in contest.rows for agent in contest.agents_of(row)}
    known = {"policy", "random", *PLANNERS, *contest.learners, *contest.planners}
    assert set(contest.agents) <= known and {who for who, *_ in contest.planners.values()} <= set(PLANNERS)


def test_all_planners_and_both_learners_take_part_in_a_contest_of_models() -> None:
    assert set(AGENTS) == set(PLANNERS) | {"policy"} | set(LEARNERS)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("quick", [False, True], ids=["whole", "quick"])
def test_the_verbs_take_its_words(run: System, quick: bool) -> None:
    steps = steps_of(run, 3, quick)
    for number, step in enumerate(steps):
        assert set(step.after) <= {earlier.name for earlier in steps[:number]}
        words = filled(step.words, Place(Path("somewhere")).meaning(None))
        options = parse(words[2:]) if step.verb == "collect" else tyro.cli(OPTIONS[step.verb], args=words[2:])
        assert getattr(options, "seed") == 3  # noqa: B009
    learned = [
        "learn" if agent == "policy" else f"learn {agent}"
        for agent in run.agents
        if "policy" in agent or agent == "sac"
    ]
    assert [step.name for step in steps if step.verb == "learn"] == learned


def test_models_differ_by_model_alone_and_see_the_same_data() -> None:
    contest = CONTESTS["control"]
    slow = {"dks": 3.0, "dvbs": 3.0}
    for system, effort in zip(contest.systems, (slow, {}), strict=True):
        runs = [contest.runs()[run_name(system, row)] for row in contest.rows]
        assert len({run.record for run in runs}) == len({run.evaluations for run in runs}) == 1
        told = [dict(zip(run.train[::2], run.train[1::2], strict=True)) for run in runs]
        differing = {flag for flag in told[0] if len({one[flag] for one in told}) > 1}
        assert differing <= {"--model", "--steps"} and [one["--model"] for one in told] == [
            row.model for row in contest.rows
        ]
        efforts = [int(one["--steps"]) / contest.steps for one in told]
        assert efforts == [effort.get(row.model, 1.0) for row in contest.rows]


def test_another_learner_has_a_policy_of_its_own_and_is_judged_by_it() -> None:
    (run,) = [one for one in CONTEST.runs().values() if one.name == "game-clear"]
    steps = {step.name: step for step in steps_of(run, 0)}
    place = Place(Path("there"))
    assert place.product(steps["learn"]).name == "policy.safetensors"
    assert place.product(steps["learn sac"]).name == "policy-sac.safetensors"
    assert steps["evaluate game sac"].after == ("learn sac",)
    words = " ".join(steps["evaluate game sac"].words)
    assert "--agent policy --policy sac" in words and "--policy" not in steps["evaluate game policy"].words


def test_an_agent_may_be_another_under_a_name_and_with_options_of_its_own_and_act_in_some_rows_alone() -> None:
    contest = replace(
        CONTEST,
        agents={"cem": "CEM", "far": "far CEM", "policy": "policy"},
        learners={},
        planners={"far": ("cem", "--horizon", "60")},
        only_in={"far": ("dark",), "policy": ("clear",)},
    )
    clear, dark = contest.runs().values()
    assert [step.name for step in steps_of(clear, 0)][2:] == ["learn", "evaluate game cem", "evaluate game policy"]
    steps = {step.name: " ".join(step.words) for step in steps_of(dark, 0)}
    assert list(steps)[2:] == ["evaluate game cem", "evaluate game far"]
    assert "--agent cem --horizon 60" in steps["evaluate game far"] and "60" not in steps["evaluate game cem"]
    judged = seed_of(0, 5, agents=("cem", "far"))
    successes = cells(page(contest, found_of([], [judged]), "a command"), 0)
    assert successes[0] == ["model", "CEM", "far CEM", "policy"]
    assert successes[3] == ["Dark", *["5 of 10 [0.24, 0.76]"] * 2, "–"]
    # All who act in that row have been judged, so there is a mean.
    results = results_of(contest, found_of([], [judged]))
    assert results.values("dark", success_rate("game")) == {0: 0.5}


# -- figures -----------------------------------------------------------------------------------------------------------


def test_the_mean_over_agents_is_there_where_all_were_judged() -> None:
    found = found_of([seed_of(0, 8), seed_of(1, 4, agents=("cem", "mppi"))], [])
    results = results_of(CONTEST, found)
    assert results.values("clear", success_rate("game")) == {0: pytest.approx(0.8)}
    assert results.values("clear", success_rate("game", "cem")) == {0: 0.8, 1: 0.4}


@pytest.mark.parametrize(
    ("clear", "dark", "said"),
    [
        ([9, 8, 10], [5, 6, 4], "**it held.** Of 1 comparisons it holds in 1, the contrary in 0; 0 are undecided."),
        ([5, 6, 4], [9, 8, 10], "**it did not hold.** Of 1 comparisons it holds in 0, the contrary in 1; 0 are"),
        ([9, 2, 5], [3, 8, 5], "**undecided.** Of 1 comparisons it holds in 0, the contrary in 0; 1 is undecided."),
        ([9], [5], "**undecided.**"),
        ([9, 8, 10], [], "That clarity wins: **not tested, there are no figures yet.**"),
    ],
    ids=["holds", "contrary", "mixed", "one seed", "no figures"],
)
def test_what_becomes_of_the_claim_is_made_of_the_figures(clear: list[int], dark: list[int], said: str) -> None:
    found = found_of(*([seed_of(k, wins) for k, wins in enumerate(side)] for side in (clear, dark)))
    assert said in verdict(CONTEST, found) and verdict(CONTEST, found) in page(CONTEST, found, "study toy")
    assert "nan" not in page(CONTEST, found, "study toy")


def test_the_page_shows_what_is_there_and_what_is_not() -> None:
    text = page(CONTEST, found_of([seed_of(0, 10), seed_of(1, 5)], []), "study toy")
    successes, times, models = (cells(text, table) for table in range(3))
    assert successes[0] == ["model", *AGENTS.values()]
    assert successes[2] == ["Clear", *["15 of 20 [0.53, 0.89]"] * len(AGENTS)]
    assert successes[3] == ["Dark", "not run yet", *["–"] * (len(AGENTS) - 1)]
    # 0 to 9 s, and 0 to 4 s: what has not succeeded has no time.
    assert times[2][1] == "3; 5"
    assert models[2] == ["Clear", "angle 0.900 [0.900, 0.900]", "2.0e-04 (mean: 3.0e-02)", "300", "30", "90", "2"]
    assert models[3] == ["Dark", *["–"] * 5, "0"]
    assert "**Quick look" not in text and "**Quick look" in page(CONTEST, {**found_of([], []), "quick": True}, "study")


# -- the verb ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ("swing-up-dks", "reach-kvae")
    arguments = ["control", "--out", str(tmp_path / "out"), "--seeds", "2", "--rows", *rows, "--dry-run"]
    main(arguments)
    said = capsys.readouterr().out
    assert said.count("0 of 9 steps are done") == 4 and "4 runs of 2 systems" in said
    assert said.count("--model dks") == said.count("--steps 24000") == said.count("--model kvae") == 2
    assert not (tmp_path / "out").exists()


def test_a_quick_look_trains_for_the_steps_that_it_was_given_and_tells_no_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("swing-up-dks", "reach-dks")
    main(["control", "--out", str(tmp_path / "out"), "--seeds", "1", "--rows", *rows, "--steps", "40", "--dry-run"])
    said = capsys.readouterr().out
    # Of pictures a DKS trains three times as long; an episode is still of three steps.
    trained = [line.split("--steps ")[1].split()[0] for line in said.splitlines() if "latentrl.train" in line]
    assert trained == ["120", "40"]
    assert "--episodes 2 --steps 3" in said and "about" not in said


def test_a_quick_look_s_page_and_verdict_say_that_they_are_no_result_and_how_the_page_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    words = ["control", "--seeds", "1", "--rows", "reach-kvae", "--steps", "40", "--out", out, "--recipe", "source"]
    main([*words, "--report"])
    assert NO_RESULT in capsys.readouterr().out
    text = (tmp_path / "out" / "control.md").read_text()
    assert NO_RESULT in text and f"`python -m latentrl.study {' '.join(words)}` makes this page" in text


def test_a_report_finds_what_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files of a run as the verbs leave them; a second report, of another folder, keeps what was published."""
    run = CONTESTS["control"].runs()["swing-up-kvae"]
    chain = Chain.of(run, 1, tmp_path / "out")
    wins = {"success": [True] * 50, "control_rate": {"hz_median": 100.0}, "measures": {}}
    files = {
        chain.place.data / "metadata.json": {"splits": {"train": {"sequences": 2, "length": 3}}, "coordinates": []},
        chain.place.run / "settings.json": {},
        chain.place.run / "metrics.json": {"r2_angle": 0.5, "train_seconds": 60.0, "mse_predict_mean": 1e-3},
    }
    files |= {chain.place.product(step): wins for step in chain.steps if step.verb in ("learn", "evaluate")}
    for path, content in {**files, chain.place.run / "model.safetensors": {}}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    for step in chain.steps:
        chain.note(step, "finished", None, 7.0)
    results = study(StudyOptions("control", tmp_path / "out", seeds=1, report=True, publish=tmp_path / "docs"))
    assert results is not None and results.values("kvae", success_rate("swing-up")) == {1: 1.0}
    assert "not tested, there are no figures yet" in capsys.readouterr().out
    study(StudyOptions("control", tmp_path / "empty", seeds=1, report=True, publish=tmp_path / "docs"))
    published = (tmp_path / "docs" / "control.md").read_text()
    assert published.count("**50 of 50 [0.93, 1.00]**") == len(AGENTS) and "--publish" in published
    assert published.count("not run yet") == 2 * (len(CONTESTS["control"].runs()) - 1)
    assert outcome_of([chain])["systems"]["swing-up-kvae"][0]["steps"]["learn sac"]["seconds"] == 7.0


def test_the_published_page_is_that_of_the_published_figures() -> None:
    """docs/results/control.md shows nothing that the file beside it does not hold."""
    folder = Path(__file__).resolve().parents[2] / "docs" / "results"
    for name, contest in CONTESTS.items():
        text = (folder / f"{name}.md").read_text(encoding="utf-8")
        command = re.search(r"^`([^`]+)` makes this page", text, re.M)
        assert command is not None
        assert page(contest, json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), command[1]) == text
