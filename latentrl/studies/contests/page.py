"""A contest as a page: successes, times and what they cost, model by model, and what becomes of the claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from latentrl.numerics.statistics import bootstrap_interval
from latentrl.studies.claims import Finding, claims_lines, examine
from latentrl.studies.contests.definition import Contest, run_name
from latentrl.studies.contests.results import results_of
from latentrl.studies.suite.commands import POLICY, learning_name
from latentrl.studies.suite.outcome import QUICK
from latentrl.studies.suite.page import NOT_RUN, agent_cell, number, r2_cell, remarks
from latentrl.studies.systems.base import Evaluation, System
from latentrl.studies.tables import grid
from latentrl.support.printing import NONE

Seeds = Sequence[Mapping[str, Any]]
Judged = Sequence[Mapping[str, Any]]
PREDICTION = "mse_predict_mean"
MEAN = ("mse_mean_image", "mse_mean_observation")
"""The error of a constant prediction, which the prediction's is to be read beside."""
NO_RESULT = "Quick look: few gradient steps, everything else as small as it can be. No result."
EXPLANATION = (
    "Successes are those of all seeds' episodes [95% Wilson interval]; **bold**: nine in ten or more. The time to",
    "success is the median over the episodes that succeeded, that of an action the median in a loop of its own on one",
    "core, filtering included. R² is held-out, of each coordinate from z by a linear map; prediction is the mean",
    "squared error from a smoothed start, beside it that of a constant. Both are means over seeds, as are the seconds,",
    "on one core, of training, and of learning a policy inside the model.",
)


def page(contest: Contest, found: Mapping[str, Any], command: str) -> str:
    """The whole page as Markdown.

    Args:
        contest: what was compared.
        found: see :func:`latentrl.studies.suite.outcome.outcome_of`.
        command: that made it.
    """
    text = [f"# {contest.title}", "", f"`{command}` makes this page ([how](../study.md)).", "", verdict(contest, found)]
    if found.get(QUICK):
        text += ["", f"**{NO_RESULT}**"]
    text += ["", *EXPLANATION]
    known = found.get("systems", {})
    for system in contest.systems:
        seeds = {row.label: known.get(run_name(system, row), ()) for row in contest.rows}
        text += ["", f"## {system.title}", "", *_tables(contest, system, seeds)]
    text += ["", "## The claim", "", *claims_lines(_findings(contest, found))]
    runs = contest.runs()
    said = [line for name, run in runs.items() for line in remarks(run, known.get(name, ()), found)]
    if said:
        text += ["", "## What failed, and what the trainings say of themselves", "", *said]
    text += ["", "## Notes", "", *(f"- {note}" for note in contest.notes)]
    return "\n".join(text) + "\n"


def verdict(contest: Contest, found: Mapping[str, Any]) -> str:
    """Whether the claim held, in a sentence that is made of the findings alone."""
    findings = _findings(contest, found)
    tested = [finding for finding in findings if finding.verdict != "not tested"]
    head = contest.claim[0].upper() + contest.claim[1:]
    if not tested:
        return f"{head}: **not tested, there are no figures yet.**"
    counts = {said: sum(one.verdict == said for one in tested) for said in ("holds", "does not hold", "undecided")}
    if counts["holds"] == len(findings):
        word = "it held"
    elif counts["holds"] and not counts["does not hold"]:
        word = "it held in part"
    elif counts["does not hold"] and not counts["holds"]:
        word = "it did not hold"
    elif counts["holds"]:
        word = "it held in places and failed in others"
    else:
        word = "undecided"
    missing = len(findings) - len(tested)
    undecided = f"{counts['undecided']} {'is' if counts['undecided'] == 1 else 'are'}"
    return (
        f"{head}: **{word}.** Of {len(findings)} comparisons it holds in {counts['holds']}, the contrary in "
        f"{counts['does not hold']}; {undecided} undecided" + (f", {missing} without figures." if missing else ".")
    )


def _findings(contest: Contest, found: Mapping[str, Any]) -> list[Finding]:
    results = results_of(contest, found)
    return [examine(claim, contest, results) for claim in contest.claims]


def _tables(contest: Contest, system: System, rows: Mapping[str, Seeds]) -> list[str]:
    """What the agents reached, how long that took, and what the models are like."""
    (evaluation,) = system.evaluations
    heads, agents = ["model", *contest.agents.values()], tuple(contest.agents)
    learned = [agent for agent in agents if agent == POLICY or agent in contest.learners]
    lines = [f"{evaluation.title}.", "", *grid(heads, _by_agent(evaluation, rows, agents, _reached))]
    lines += ["", "Time to success, s; an action, ms:", "", *grid(heads, _by_agent(evaluation, rows, agents, _times))]
    models = [
        [
            *(label, r2_cell(seeds), _prediction(seeds), _mean(_trainings(seeds))),
            *(_mean(_learning(seeds, agent)) for agent in learned),
            _seeds(seeds),
        ]
        for label, seeds in rows.items()
    ]
    learning = [f"{'learning ' if agent == POLICY else ''}{contest.agents[agent]}, s" for agent in learned]
    about = ["model", "R²", "prediction", "training, s", *learning, "seeds"]
    return [*lines, "", "The models:", "", *grid(about, models)]


def _by_agent(
    evaluation: Evaluation,
    rows: Mapping[str, Seeds],
    agents: Sequence[str],
    cell: Callable[[Evaluation, Judged], str],
) -> list[list[str]]:
    body = []
    for label, seeds in rows.items():
        judged = [seed["evaluations"].get(evaluation.name, {}) for seed in seeds]
        cells = [cell(evaluation, [one[agent] for one in judged if agent in one]) for agent in agents]
        body.append([label, *(cells if seeds else [NOT_RUN, *[NONE] * (len(agents) - 1)])])
    return body


def _reached(evaluation: Evaluation, judged: Judged) -> str:
    return agent_cell(evaluation, judged)


def _times(evaluation: Evaluation, judged: Judged) -> str:
    """Median seconds of what succeeded, and milliseconds of one action."""
    seconds = [
        time
        for one in judged
        for time, success in zip(one.get("seconds", ()), one.get("success", ()), strict=False)
        if success and time is not None
    ]
    rates = [one["hz"] for one in judged if one.get("hz")]
    if not rates:
        return NONE
    return f"{number(median(seconds)) if seconds else NONE}; {number(1000 / median(rates))}"


def _prediction(seeds: Seeds) -> str:
    """The error, and beside it that of a constant."""
    errors = [seed["figures"][PREDICTION] for seed in seeds if PREDICTION in seed.get("figures", {})]
    means = [seed["figures"][key] for seed in seeds for key in MEAN if key in seed.get("figures", {})]
    if not errors:
        return NONE
    beside = f" (mean: {sum(means) / len(means):.1e})" if means else ""
    return f"{sum(errors) / len(errors):.1e}{beside}"


def _trainings(seeds: Seeds) -> list[float]:
    return [seed["train_seconds"] for seed in seeds if seed.get("train_seconds") is not None]


def _learning(seeds: Seeds, agent: str) -> list[float]:
    """Seconds of learning an agent."""
    steps = [seed["steps"].get(learning_name(agent), {}) for seed in seeds]
    return [step["seconds"] for step in steps if step.get("state") == "finished"]


def _mean(values: Sequence[float]) -> str:
    return f"{bootstrap_interval(values).mean:.0f}" if values else NONE


def _seeds(seeds: Seeds) -> str:
    whole = sum(all(step["state"] == "finished" for step in seed["steps"].values()) for seed in seeds)
    return f"{whole}" if whole == len(seeds) else f"{whole} of {len(seeds)}"
