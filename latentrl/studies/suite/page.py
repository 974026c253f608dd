"""The suite as a page: one table of all systems, what failed by name, and every command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentrl.numerics.statistics import Interval, bootstrap_interval, nested_interval, wilson_interval
from latentrl.studies.suite.commands import Step, shown, steps_of
from latentrl.studies.suite.outcome import QUICK
from latentrl.studies.systems.base import HERE, Evaluation, System
from latentrl.support.printing import NONE

NOT_RUN = "not run yet"
NOTHING = 1e-9
"""Below it a number of a table is 0: returns, R², minutes and counts have none so small."""
AGENTS = ("policy", "cem", "random")
HEADS = (
    "system",
    "task",
    "target",
    "policy",
    "CEM",
    "random",
    "R² of every coordinate",
    "training, min",
    "seeds",
    "with reward",
)
Seeds = Sequence[Mapping[str, Any]]


def page(systems: Mapping[str, System], found: Mapping[str, Any], command: str) -> str:
    """The whole page as Markdown.

    Args:
        systems: in their order.
        found: see :func:`latentrl.studies.suite.outcome.outcome_of`.
        command: that made it.
    """
    known = found.get("systems", {})
    text = ["# Systems that nobody tuned", "", *_introduction(command)]
    if found.get(QUICK):
        text += ["", "**Quick look: everything as small as it can be. No result.**"]
    rows = [row for name, system in systems.items() for row in _rows(system, known.get(name, ()))]
    text += ["", *_table(HEADS, rows), "", *EXPLANATION]
    said = [line for name, system in systems.items() for line in remarks(system, known.get(name, ()), found)]
    if said:
        text += ["", "## What failed, and what the trainings say of themselves", "", *said]
    text += ["", "## The systems", "", *[line for system in systems.values() for line in _about(system)]]
    return "\n".join(text).rstrip() + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, not padded: a cell of eight coordinates would make every line as wide."""
    rule = ["---", "---", *["---:"] * (len(heads) - 3), "---"]
    return ["| " + " | ".join(row) + " |" for row in (heads, rule, *rows)]


def _introduction(command: str) -> list[str]:
    return [
        f"`{command}` makes this page ([how](../study.md#many-systems-latentrl-suite)).",
        "In each system random actions are recorded, at most 60,000 frames, a model is trained on the pictures, and a",
        "policy is learned in it for one picture of the goal; the policy and a planner (CEM) then act in the",
        "environment, beside random actions. None of them has seen a reward. Sizes of the state are counted from the",
        "joints; pictures and held actions were chosen by looking at data; everything else is the commands'",
        "default, but where a system's note says so.",
    ]


EXPLANATION = (
    "Returns are the environment's own, summed over every one of its steps, held actions included: the mean over",
    "episodes and seeds [95% bootstrap interval, seeds resampled first, then episodes]; with one seed the",
    "interval is over episodes alone and says nothing of another training. Successes are those of all seeds'",
    "episodes [95% Wilson interval]. **Bold**: the target is reached. R²: held-out, of each coordinate from the",
    "latent state by a linear map, the mean over seeds and, of several, [the least, the largest]. *Training* is",
    "the mean over seeds, on one core. *With reward*: what others reach who are told it, from pictures.",
)


def _rows(system: System, seeds: Seeds) -> list[list[str]]:
    found = []
    for number, one in enumerate(system.evaluations):
        first = number == 0
        title = system.title if first else ""
        judged = [seed["evaluations"].get(one.name, {}) for seed in seeds]
        agents = [agent_cell(one, [agents.get(agent) for agents in judged]) for agent in AGENTS]
        if not seeds:
            agents = [NOT_RUN, NONE, NONE]
        about = [r2_cell(seeds), _minutes(seeds), _count(system, seeds)] if first else ["", "", ""]
        found.append([title, one.title, _target(one), *agents, *about, system.others if first else ""])
    return found


def agent_cell(evaluation: Evaluation, judged: Sequence[Mapping[str, Any] | None]) -> str:
    """What an agent reached, by seed; a dash where nobody has judged it."""
    there = [one for one in judged if one]
    if evaluation.score == "successes":
        marks = [mark for one in there for mark in one.get("success", ())]
        if not marks:
            return NONE
        low, high = wilson_interval(sum(marks), len(marks))
        return _marked(f"{sum(marks)} of {len(marks)} [{low:.2f}, {high:.2f}]", evaluation, sum(marks) / len(marks))
    returns = [one["return"] for one in there if one.get("return")]
    if not returns:
        return NONE
    interval = nested_interval(returns)
    return _marked(_interval(interval), evaluation, interval.mean)


def _marked(text: str, evaluation: Evaluation, value: float) -> str:
    reached = evaluation.target is not None and value >= evaluation.target
    return f"**{text}**" if reached else text


def _interval(interval: Interval) -> str:
    mean = number(interval.mean)
    return mean if interval.low != interval.low else f"{mean} [{number(interval.low)}, {number(interval.high)}]"


def number(value: float) -> str:
    """Three digits, and all of those before the point; 0 for what is left of nothing in floating point."""
    if abs(value) < NOTHING:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def r2_cell(seeds: Seeds) -> str:
    """R² of every coordinate."""
    parts = []
    for name in dict.fromkeys(name for seed in seeds for name in seed.get("r2", {})):
        values = [seed["r2"][name] for seed in seeds if seed.get("r2", {}).get(name) is not None]
        spread = f" [{min(values):.3f}, {max(values):.3f}]" if len(values) > 1 else ""
        parts.append(f"{name} {sum(values) / len(values):.3f}{spread}" if values else f"{name} {NONE}")
    return "<br>".join(parts) or NONE


def _target(one: Evaluation) -> str:
    if one.target is None:
        return "none: reported"
    return f"≥ {one.target:.0%}" if one.score == "successes" else f"≥ {number(one.target)}"


def _minutes(seeds: Seeds) -> str:
    times = [seed["train_seconds"] / 60 for seed in seeds if seed.get("train_seconds") is not None]
    return number(bootstrap_interval(times).mean) if times else NONE


def _count(system: System, seeds: Seeds) -> str:
    whole = sum(all(step["state"] == "finished" for step in seed["steps"].values()) for seed in seeds)
    return f"{whole}" if whole == system.seeds else f"{whole} of {system.seeds}"


def remarks(system: System, seeds: Seeds, found: Mapping[str, Any]) -> list[str]:
    """What failed, what is not done and what trainings warn of, a line each."""
    lines = []
    if not seeds and system.name in found.get("lacking", {}):
        lines.append(f"- {system.title}: not run here: {found['lacking'][system.name]}")
    for seed in seeds:
        where = f"{system.title}, seed {seed['seed']}"
        for name, step in seed["steps"].items():
            if step["state"] == "failed":
                lines.append(f"- **failed**: {where}, {name}: {step['reason']}")
        unfinished = [name for name, step in seed["steps"].items() if step["state"] in ("waiting", "interrupted")]
        if unfinished:
            lines.append(f"- not finished: {where}: {', '.join(unfinished)}")
        blocked = [name for name, step in seed["steps"].items() if step["state"] == "blocked"]
        if blocked:
            lines.append(f"- not done, for what it needs has failed: {where}: {', '.join(blocked)}")
        lines += [f"- warning: {where}: {warning}" for warning in seed.get("warnings", ())]
    return lines


def _about(system: System) -> list[str]:
    lines = [f"### {system.title}", ""]
    if system.note:
        lines += [system.note, ""]
    steps = steps_of(system, 0)
    if steps:
        needed = [f"# {system.install}"] if system.install else []
        lines += ["```", *needed, *(_command(system, step) for step in steps), "```", ""]
    return lines


def _command(system: System, step: Step) -> str:
    """A command as it reads on anybody's machine."""
    file = None if system.declares is None else Path("latentrl", "studies", HERE.name, system.declares)
    return shown(system, step, Path("runs", "suite"), 0, file)
