"""What a contest came to as figures by model and seed: what claims are tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from latentrl.studies.contests.definition import Contest, run_name, success_rate
from latentrl.studies.results import Outcome, Results

Found = Mapping[str, Any]


def results_of(contest: Contest, found: Found) -> Results:
    """Shares of successes, named by `success_rate`, of every model with every seed.

    The mean over all agents is there only where all have been judged: another set of agents would be another figure.

    Args:
        contest: whose.
        found: as :func:`latentrl.studies.suite.outcome.outcome_of` gives it.
    """
    outcomes = []
    for row in contest.rows:
        by_seed: dict[int, dict[str, float]] = {}
        for system in contest.systems:
            for seed in found.get("systems", {}).get(run_name(system, row), ()):
                figures = by_seed.setdefault(seed["seed"], {})
                for evaluation in system.evaluations:
                    figures |= _rates(system.name, seed["evaluations"].get(evaluation.name, {}), contest.agents_of(row))
        outcomes += [
            Outcome(row, seed, "finished", figures, None, 0.0, "") for seed, figures in sorted(by_seed.items())
        ]
    return Results(tuple(outcomes))


def _rates(system: str, agents: Found, all_agents: Sequence[str]) -> dict[str, float]:
    marks = {agent: judged["success"] for agent, judged in agents.items() if judged.get("success")}
    rates = {agent: sum(successes) / len(successes) for agent, successes in marks.items()}
    figures = {success_rate(system, agent): rate for agent, rate in rates.items()}
    if set(rates) == set(all_agents):
        figures[success_rate(system)] = sum(rates.values()) / len(rates)
    return figures
