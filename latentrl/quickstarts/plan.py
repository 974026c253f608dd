"""What a quickstart does in one environment: the options of every verb, and what is reported of the outcome."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import CollectOptions
from latentrl.data_collection.storage import load_metadata
from latentrl.evaluation.options import EvaluateOptions, trial_of
from latentrl.evaluation.run import Run
from latentrl.runs.folder import HISTORY, METRICS
from latentrl.support.files import read_json
from latentrl.training.options import TrainOptions

CURE = "start afresh with --overwrite"
"""Of files that are missing or damaged."""
Key = tuple[str, ...]
"""Where the outcome of an evaluation stands in the summary: the agent, or the task and the agent."""
CALLED = {"policy": "the policy", "cem": "the planner"}


@dataclass(frozen=True)
class Plan:
    """The options of every verb that a quickstart calls; without ``learn`` no policy is learned."""

    collect: CollectOptions
    train: TrainOptions
    learn: LearnOptions | None
    evaluations: Mapping[Key, EvaluateOptions]

    def without_policy(self) -> Plan:
        """This plan with planners alone: no policy is learned or evaluated."""
        kept = {key: options for key, options in self.evaluations.items() if key[-1] != "policy"}
        return replace(self, learn=None, evaluations=kept)

    def shown_live(self, live: bool) -> Plan:
        """This plan, with panels where ``live`` asks for them."""
        evaluations = {key: replace(options, live=live) for key, options in self.evaluations.items()}
        return replace(self, train=replace(self.train, live=live), evaluations=evaluations)

    def stem(self, key: Key) -> Path:
        """The path of an evaluation's files, without their ending."""
        options = self.evaluations[key]
        # The run need not be there yet: its environment's own tasks are known without it.
        run = Run(options.run, {}, self.collect.folder, {"env_id": self.collect.env_id})
        return options.run / f"evaluation_{trial_of(options, run).name}"

    @property
    def film(self) -> Path:
        """The first film that is made."""
        key = next(key for key, options in self.evaluations.items() if options.video)
        return self.stem(key).with_suffix(".gif")

    def history(self) -> dict[str, np.ndarray]:
        """The columns ``[N]`` of the training's history."""
        with (self.train.folder / HISTORY).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else ())}


@dataclass(frozen=True)
class Showcase:
    """What a quickstart shows in one environment.

    Attributes:
        name: what it is called in the folder for its results.
        told: what is done, in a few words.
        plan: from the quickstart's folder and its seed, the options of every verb; they keep to that folder.
        figures: of the model, those that the summary has.
        measures: of an evaluation, those whose medians the summary has beside the successes, where they are measured.
        report: writes ``report.html`` and the like into the folder: of a finished plan, its summary and the seed.
        headlines: a summary in a few lines for the terminal.
        next_command: what to try next, given the folder.
    """

    name: str
    told: str
    plan: Callable[[Path, int], Plan]
    figures: Sequence[str]
    measures: Sequence[str]
    report: Callable[[Plan, Mapping[str, Any], Path, int], None]
    headlines: Callable[[Mapping[str, Any]], list[str]]
    next_command: Callable[[Path], str]

    def summary(self, plan: Plan, wall_seconds: float) -> dict[str, Any]:
        """What the verbs wrote, as in ``summary.json``; ``wall_seconds`` is the time of all verbs together."""
        figures = read_json(plan.train.folder / METRICS, CURE)
        splits = load_metadata(plan.collect.folder)["splits"]
        control: dict[str, Any] = {}
        for key in plan.evaluations:
            place = control
            for part in key[:-1]:
                place = place.setdefault(part, {})
            place[key[-1]] = self._outcome(read_json(plan.stem(key).with_suffix(".json"), CURE))
        return {
            "frames_collected": sum(split["sequences"] * split["length"] for split in splits.values()),
            "model": {name: figures[name] for name in self.figures},
            "control": control,
            "wall_seconds": round(wall_seconds, 1),
        }

    def _outcome(self, result: Mapping[str, Any]) -> dict[str, Any]:
        medians = {name: result["measures"][name]["median"] for name in self.measures if name in result["measures"]}
        return {"episodes": result["episodes"], "successes": result["successes"], **medians}


def stage_of(key: Key) -> str:
    """What an evaluation is called among the steps of a quickstart."""
    return f"evaluate {CALLED[key[-1]]}" + "".join(f": {part}" for part in key[:-1])
