"""Outcomes of a trial as JSON values, with intervals, and in a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentrl.envs.measures import ENCODED, LENGTH, OBSERVED, REWARD, Floats, Outcome
from latentrl.envs.measures.base import Truth
from latentrl.evaluation.judging import Alone, Judged
from latentrl.evaluation.setting import Setting
from latentrl.numerics.statistics import bootstrap_interval, wilson_interval
from latentrl.support.printing import NONE, digits

REWARD_SUM = "return"
"""The figure that counts most where no success does."""
TENTH = "_p90"
"""What the names of figures end with that a tenth of the episodes exceed."""


def summarise(setting: Setting, judged: Judged, alone: Alone) -> dict[str, Any]:
    """What ``evaluation_<trial>.json`` holds of a trial."""
    trial, task, outcome, batch = setting.trial, setting.task, judged.outcome, judged.evaluation
    episodes = batch.arrived.shape[1]
    successes = None if outcome.success is None else int(outcome.success.sum())
    overall = {**outcome.overall, **averages(outcome)}
    return {
        "agent": trial.contestant,
        "task": trial.task,
        "description": task.description,
        "episodes": episodes,
        "successes": successes,
        "success_rate": None if successes is None else successes / episodes,
        "wilson_95": None if successes is None else list(wilson_interval(successes, episodes)),
        "success": None if outcome.success is None else outcome.success.tolist(),
        "measures": {name: _described(values) for name, values in outcome.figures.items()},
        **({"overall": overall} if overall else {}),
        **_where_nobody_has_labelled(setting, judged),
        **_not_finite(batch.truth),
        "target": setting.target,
        "frames_lost": float(1 - batch.arrived.mean()),
        "control_rate": control_rate(alone.evaluation.seconds),
        "batch_control_rate": control_rate(batch.seconds),
        "trial": trial.as_json(),
    }


def _where_nobody_has_labelled(setting: Setting, judged: Judged) -> dict[str, Any]:
    """What else is to be said of a task that is not this package's own: how its figures are called, and early ends."""
    task, length = setting.task, judged.evaluation.truth.get(LENGTH)
    if not task.near and length is None:
        return {}
    steps = np.full(setting.count, float(task.steps)) if length is None else length
    early = {
        "ended_early": float((steps < task.steps).mean()),
        "steps": task.steps,
        "mean_length": float(steps.mean()),
    }
    if not task.near:
        return early
    bounds = setting.bounds(setting.run.action_size)
    return {
        "headings": dict(task.measure.headings),
        "goal": str(setting.goal),
        "environment": {name: task.recorded.get(name) for name in ("env_id", "env_kwargs", "pixels", "repeat")},
        "control_step": task.control_step,
        "action_low": bounds.low.tolist(),
        "action_high": bounds.high.tolist(),
        **early,
    }


def _not_finite(truth: Truth) -> dict[str, int]:
    """How many of the environment's rewards are no numbers, where there are any: the return says nothing then."""
    lost = int((~np.isfinite(truth[REWARD])).sum()) if REWARD in truth else 0
    return {"rewards_not_finite": lost} if lost else {}


def as_text(summary: Mapping[str, Any], headings: Mapping[str, str] | None = None) -> str:
    """A summary as the few lines that `latentrl evaluate` prints.

    ``headings`` are those of the task's measure, where the summary does not hold them: figures and their units.
    """
    early = summary.get("ended_early") or 0.0
    ends = (
        f"\n{early:.0%} of the episodes ended early, after {summary['mean_length']:.4g} of {summary['steps']} steps"
        if early
        else ""
    )
    if all_alike(summary):
        ends += (
            f"\nall {summary['episodes']} episodes came to the same figures: the intervals say nothing of other "
            "beginnings (--reset-options JSON lets them begin elsewhere, where the environment's reset takes options)"
        )
    ends += "".join(f"\nwarning: {warning}" for warning in warnings(summary))
    first = _counted(summary) if summary["successes"] is None else _successes(summary)
    return "\n".join([*first, *_figures(summary, summary.get("headings") or headings or {})]) + ends


def _successes(summary: Mapping[str, Any]) -> list[str]:
    """How often it succeeded."""
    low, high = summary["wilson_95"]
    agent, task = (max(len(name), len(summary[name])) for name in ("agent", "task"))
    counted = f"{'successes':>10} {'rate':>6}  {'95% interval':<15} {'control rate':>12}"
    return [
        f"{'agent':<{agent}}  {'task':<{task}} {counted}",
        f"{summary['agent']:<{agent}}  {summary['task']:<{task}} {summary['successes']:>4} of {summary['episodes']:<3}"
        f"{summary['success_rate']:>6.0%}  {low:.3f} to {high:.3f} {summary['control_rate']['hz_median']:>10.0f} Hz",
    ]


def _counted(summary: Mapping[str, Any]) -> list[str]:
    """Of how many episodes the figures are, where nobody has said what a success is."""
    return [
        f"{summary['agent']}, {summary['task']}: {summary['episodes']} episodes, control rate "
        f"{summary['control_rate']['hz_median']:.0f} Hz"
    ]


def _figures(summary: Mapping[str, Any], headings: Mapping[str, str]) -> list[str]:
    """A line for each figure over the episodes, the return first; then those that all of them have together."""
    overall, rows = dict(summary.get("overall", {})), []
    for name, values in sorted(summary["measures"].items(), key=lambda one: one[0] != REWARD_SUM):
        mean, low, high = (overall.pop(f"{name}_{end}", None) for end in ("mean", "low", "high"))
        between = "" if low is None or high is None else f"{digits(low)} to {digits(high)}"
        rows.append((_label(name, headings), digits(values["median"]), "" if mean is None else digits(mean), between))
    # Where no mean counts, medians are all there is.
    means = any(mean for _, _, mean, _ in rows)
    rows.insert(0, ("", "median", "mean", "95% interval"))
    lines = [
        f"  {said:<36}{f' {mean or NONE:>9}  {between:<20}' if means else ''} {median:>9}"
        for said, median, mean, between in rows
    ]
    lines = lines if summary["measures"] else []
    if overall:
        lines.append("  all episodes together")
        lines += [f"  {_label(name, headings):<36} {digits(value):>9}" for name, value in overall.items()]
    if any(name.startswith((OBSERVED, ENCODED)) for name in summary["measures"]):
        lines.append(
            f"{OBSERVED}: how much what is seen differs from the goal's observation; {ENCODED}: how far the model puts "
            "them apart"
        )
    return lines


def _label(name: str, headings: Mapping[str, str]) -> str:
    """How a figure is called in a line of its own: by its column's heading, which says the unit, else by its key."""
    stem = name.removesuffix(TENTH)
    if stem != name:
        return f"{_label(stem, headings)}: 90% below"
    said = headings.get(name) or headings.get(f"{name}_mean") or name.replace("_", " ")
    return said.replace("s to ", "seconds to ", 1) if said.startswith("s to ") else said


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """What keeps the figures of a trial from being taken at their word."""
    lost = summary.get("rewards_not_finite")
    return [f"{lost} of the environment's rewards are not finite: the return says nothing"] if lost else []


def all_alike(summary: Mapping[str, Any]) -> bool:
    """Whether several episodes cannot be told apart by any figure, so that they count as one."""
    each = [values["per_episode"] for values in summary["measures"].values()]
    told = [values for values in each if any(value is not None for value in values)]
    return summary["episodes"] > 1 and bool(told) and all(len(set(values)) == 1 for values in told)


def control_rate(seconds: Floats) -> dict[str, float]:
    """Actions per second from the ``seconds [T]`` of each: ``hz_median``, and ``hz_p99`` that 99% of them reach."""
    return {"hz_median": float(1 / np.median(seconds)), "hz_p99": float(1 / np.quantile(seconds, 0.99))}


def averages(outcome: Outcome) -> dict[str, float]:
    """The mean over the episodes of each figure whose mean counts, and its 95% bootstrap interval."""
    found = {}
    for name in outcome.averaged:
        interval = bootstrap_interval(outcome.figures[name])
        found[f"{name}_mean"] = interval.mean
        # JSON knows no NaN: a single episode has no interval.
        if len(outcome.figures[name]) > 1:
            found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _described(values: Floats) -> dict[str, Any]:
    """Median and all values of a figure; null in place of an infinite one, which JSON does not know."""
    return {"median": _finite(np.median(values)), "per_episode": [_finite(value) for value in values]}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
