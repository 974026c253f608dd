"""The model card: what a run is, written from its own files and from nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TAGS = ("world-model", "state-space-model", "model-based-reinforcement-learning", "latentrl")
SHOWN = ("state_size", "position_size", "prior", "network")
"""Of the model's settings."""


def card(repo: str, files: Mapping[str, bytes]) -> str:
    """The card as Markdown with the hub's metadata in front.

    Args:
        repo: ``user/name``.
        files: those that are sent, by name; ``settings.json`` among them.
    """
    settings = json.loads(files["settings.json"])
    metrics = json.loads(files.get("metrics.json", b"{}"))
    evaluations = [json.loads(content) for name, content in sorted(files.items()) if name.startswith("evaluation_")]
    entry = json.loads(files.get("entry.json", b"{}"))
    parts = [_head(), f"# {repo}", _what(settings), _figures(metrics), _control(evaluations), _use(repo, files)]
    return "\n\n".join(part for part in [*parts, _made(settings, entry)] if part) + "\n"


def plain(value: Any) -> str:
    """A value as one line without anything that Markdown or HTML would take for its own."""
    return re.sub(r"[<>|`\[\]*\r\n]", " ", str(value)).strip()


def _head() -> str:
    listed = "".join(f"- {tag}\n" for tag in TAGS)
    return f"---\nlibrary_name: latentrl\npipeline_tag: reinforcement-learning\ntags:\n{listed}---"


def _what(settings: Mapping[str, Any]) -> str:
    model, data = settings["model"], settings.get("data") or {}
    chosen = {name: model["settings"][name] for name in SHOWN if name in model["settings"]}
    sizes = ", ".join(f"{plain(name)} {plain(value)}" for name, value in chosen.items())
    shape = " x ".join(map(str, model["spec"]["observation_shape"]))
    where = plain(data.get("env_id") or "recordings")
    splits = (data.get("splits") or {}).get("train") or {}
    amount = f", from {splits['sequences']} sequences of {splits['length']} steps" if splits else ""
    return (
        f"A latent state-space model of `{where}`{amount}, learned by latentrl without labels or "
        "rewards.\n\n"
        f"- model: {plain(model['name'])}; {sizes}\n"
        f"- observes: {shape}, {plain(model['spec']['observation_dtype'])}; acts in {model['spec']['action_size']} "
        "dimension(s)"
    )


def _figures(metrics: Mapping[str, Any]) -> str:
    rows = [f"| {plain(name)} | {value:.5g} |" for name, value in metrics.items() if isinstance(value, int | float)]
    if not rows:
        return ""
    return "\n".join(["## Held-out figures", "", "| figure | value |", "| --- | ---: |", *rows])


def _control(evaluations: list[Any]) -> str:
    rows = []
    for one in evaluations:
        successes, interval = one.get("successes"), one.get("wilson_95")
        told = "not counted" if successes is None else f"{successes} of {one.get('episodes')}"
        between = "" if not interval else f"{interval[0]:.3f} to {interval[1]:.3f}"
        rows.append(f"| {plain(one.get('agent'))} | {plain(one.get('task'))} | {told} | {between} |")
    if not rows:
        return ""
    head = ["## In the environment", "", "| agent | task | successes | 95% interval |", "| --- | --- | ---: | --- |"]
    return "\n".join([*head, *rows])


def _use(repo: str, files: Mapping[str, bytes]) -> str:
    name = repo.rpartition("/")[2]
    verb = "evaluate" if any(one.startswith("policy") for one in files) else "learn"
    return (
        "## Use\n\n```bash\npip install 'latentrl[hub]'\n"
        f"latentrl pull {repo}                 # --revision HASH takes this very version, later too\n"
        f"latentrl {verb} --run runs/{name}\n```"
    )


def _made(settings: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    about = settings.get("environment") or {}
    seed = (settings.get("options") or {}).get("seed")
    lines = [f"- seed: {plain(seed)}"] if seed is not None else []
    lines += [f"- {plain(name)}: {plain(about[name])}" for name in ("latentrl", "torch", "git") if name in about]
    commands = [plain(one) for one in entry.get("commands", ())]
    if commands:
        lines += ["", "```bash", *commands, "```"]
    return "\n".join(["## How it was made", "", *lines]) if lines else ""
