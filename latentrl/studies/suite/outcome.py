"""What the suite came to, as JSON values: read off the folders of its chains, kept where it is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from latentrl.data_collection.storage import METADATA
from latentrl.runs.folder import METRICS, SETTINGS
from latentrl.runs.versions import describe_environment
from latentrl.studies.cells import WARNINGS
from latentrl.studies.suite.chain import Chain, lacking
from latentrl.studies.suite.commands import Step, evaluation_name, script_of
from latentrl.support.files import read_json

Found = dict[str, Any]
QUICK, ENVIRONMENT = "quick", "environment"


def outcome_of(chains: Sequence[Chain], quick: bool = False) -> Found:
    """All figures of chains, finished or not.

    Returns:
        ``systems``, by name a list with an entry for each seed that was begun (see :func:`seed_outcome`); ``lacking``,
        by name why a system was not run here; ``environment``, versions that the report was made with, and where it is
        published, those that hold for seeds which do not say their own; ``quick``, whether these are no results.
    """
    systems: dict[str, list[Found]] = {}
    absent: dict[str, str] = {}
    for chain in chains:
        missing = lacking(chain.system)
        if missing is not None:
            absent[chain.system.name] = missing
        if chain.records():
            systems.setdefault(chain.system.name, []).append(seed_outcome(chain))
    return {"systems": systems, "lacking": absent, ENVIRONMENT: describe_environment(), QUICK: quick}


def seed_outcome(chain: Chain) -> Found:
    """The figures of one seed.

    Returns:
        ``seed``; ``steps``, by name ``state``, ``seconds``, ``words`` and, where one failed, ``reason``; ``frames`` of
        the data; ``r2`` of every coordinate that the ground truth has, the position's first; ``train_seconds``;
        ``warnings`` of the training; ``figures``, others of ``metrics.json``; ``git`` and ``environment``, of
        the training; ``evaluations``, by their name and the agent's ``return``, ``success`` and ``seconds`` to it of
        every episode, where there are any, and ``hz``.
    """
    states, records = chain.states(), chain.records()
    found: Found = {"seed": chain.seed, "steps": {}}
    for step in chain.steps:
        record = records.get(step.name, {})
        told = {"state": states[step.name], "seconds": record.get("seconds", 0.0), "words": _words(chain, step)}
        found["steps"][step.name] = {**told, **({"reason": record["reason"]} if states[step.name] == "failed" else {})}
    place, cure = chain.place, f"remove {chain.folder} to begin anew"
    if states[chain.system.verb] == "finished":
        metadata = read_json(place.data / METADATA, cure)
        found["frames"] = sum(split["sequences"] * split["length"] for split in metadata["splits"].values())
        found["coordinates"] = [one["name"] for one in metadata.get("coordinates") or ()]
    if states["train"] == "finished":
        found |= _trained(chain, cure, found.get("coordinates", ()))
    found["evaluations"] = {
        one.name: {
            agent: _judged(read_json(place.outcome(name), cure))
            for agent in chain.system.agents
            if states[name := evaluation_name(one, agent)] == "finished"
        }
        for one in chain.system.evaluations
    }
    return found


def _words(chain: Chain, step: Step) -> list[str]:
    """What makes a step the same with every seed, ``--seed K`` apart: a script has the seed within it."""
    script = script_of(chain.system, chain.quick)
    return ["-c", script] if step.verb == "record" and script is not None else list(step.words)


FIGURES = ("mse_predict_mean", "mse_predict_near", "mse_still_near", "mse_mean_image", "mse_mean_observation")
"""Of ``metrics.json``, beside R²."""


def _trained(chain: Chain, cure: str, coordinates: Sequence[str]) -> Found:
    metrics = read_json(chain.place.run / METRICS, cure)
    environment = read_json(chain.place.run / SETTINGS, cure).get(ENVIRONMENT, {})
    # Data from before coordinates were stored, and environments of this package, name them in the figures alone.
    names = coordinates or [name for name in map(_name, metrics) if name is not None]
    return {
        "r2": {name: metrics[f"r2_{name}"] for name in names if f"r2_{name}" in metrics},
        "train_seconds": metrics.get("train_seconds"),
        WARNINGS: list(metrics.get(WARNINGS) or ()),
        "figures": {key: metrics[key] for key in FIGURES if key in metrics},
        "git": environment.get("git"),
        ENVIRONMENT: environment,
    }


def _name(key: str) -> str | None:
    """The coordinate that a figure is R² of, from the whole state; None: it is another figure."""
    name = key.removeprefix("r2_")
    return None if name == key or name.endswith(("_dims", "_neighbours")) else name


def _judged(summary: Mapping[str, Any]) -> Found:
    """Of every episode, the return, whether it succeeded and after how long, where that is told; actions a second."""
    measures = summary.get("measures", {})
    times = [values for name, values in measures.items() if name.startswith("seconds_to_")]
    success = summary.get("success")
    found = {
        "return": measures.get("return", {}).get("per_episode"),
        "success": success,
        "seconds": times[0].get("per_episode") if success is not None and len(times) == 1 else None,
        "hz": summary.get("control_rate", {}).get("hz_median"),
    }
    return {name: values for name, values in found.items() if values is not None}


def merged(published: Mapping[str, Any], now: Found) -> tuple[Found, list[str]]:
    """What is to be published: seed by seed what was found now, and else what was published before.

    A seed that was published with more of its steps done stays. One that was made with other commands goes: it is
    another experiment. What versions were told of all stay, while seeds are left that tell none of their own.

    Returns:
        The figures; and ``SYSTEM/seedK`` of all that was published and goes.
    """
    systems: dict[str, list[Any]] = dict(published.get("systems", {}))
    gone = []
    for name, seeds in now["systems"].items():
        kept: dict[int, Found] = {}
        for before in systems.get(name, ()):
            if any(_alike(before, seed) for seed in seeds):
                if _done(before) >= _done(kept.get(before["seed"], {})):
                    kept[before["seed"]] = before
            else:
                gone.append(f"{name}/seed{before['seed']}")
        for seed in seeds:
            if _done(seed) >= _done(kept.get(seed["seed"], {})):
                kept[seed["seed"]] = seed
        systems[name] = [kept[number] for number in sorted(kept)]
    old = [seed for seeds in systems.values() for seed in seeds if ENVIRONMENT not in seed and not _is_in(now, seed)]
    kept_versions = {ENVIRONMENT: published[ENVIRONMENT]} if old and ENVIRONMENT in published else {}
    return {**now, "systems": systems, **kept_versions}, gone


def untold(found: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """``SYSTEM/seedK`` of the seeds of such systems whose commands are not known: with them :func:`merged` compares
    nothing."""
    return [
        f"{name}/seed{seed['seed']}" for name in names for seed in found["systems"].get(name, ()) if not _commands(seed)
    ]


def _is_in(found: Mapping[str, Any], seed: Found) -> bool:
    return any(seed is one for seeds in found["systems"].values() for one in seeds)


def _alike(one: Found, other: Found) -> bool:
    """Whether two seeds were made with the same commands; those published before commands were kept count as such."""
    told = [_commands(seed) for seed in (one, other)]
    return not all(told) or told[0] == told[1]


def _commands(seed: Found) -> dict[str, list[str]]:
    """The words of every step that tells them, by name, without the seed."""
    number = str(seed["seed"])
    return {
        name: [word for before, word in pairwise(["", *step["words"]]) if (before, word) != ("--seed", number)]
        for name, step in seed["steps"].items()
        if "words" in step
    }


def _done(seed: Mapping[str, Any]) -> int:
    return sum(step["state"] == "finished" for step in seed.get("steps", {}).values())
