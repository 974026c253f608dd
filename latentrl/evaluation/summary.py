"""Outcomes of a trial as JSON values, with intervals."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from latentrl.envs.measures import Floats, Outcome
from latentrl.envs.tasks import Task
from latentrl.evaluation.protocol import Evaluation
from latentrl.evaluation.trials import Trial
from latentrl.numerics.statistics import bootstrap_interval


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95% Wilson score interval of a success rate (Wilson, 1927); it stays sensible at 0 and at all successes."""
    if not 0 <= successes <= episodes or episodes < 1:
        raise ValueError(f"cannot have {successes} successes in {episodes} episodes")
    z = 1.959963984540054
    rate, shrink = successes / episodes, 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def control_rate(seconds: Floats) -> dict[str, float]:
    """Actions per second that the agent could give: ``hz_median``, and ``hz_p99`` that 99% of its actions reach."""
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


def _summary(
    trial: Trial, task: Task, outcome: Outcome, target: float | None, batch: Evaluation, single: Evaluation
) -> dict[str, Any]:
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
        "target": target,
        "frames_lost": float(1 - batch.arrived.mean()),
        "control_rate": control_rate(single.seconds),
        "batch_control_rate": control_rate(batch.seconds),
        "trial": asdict(trial),
    }


def _described(values: Floats) -> dict[str, Any]:
    """Median and all values of a figure; null in place of an infinite one, which JSON does not know."""
    return {"median": _finite(np.median(values)), "per_episode": [_finite(value) for value in values]}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
