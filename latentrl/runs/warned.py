"""What the training of a run warned of: whoever learns or plans in its model is told once more."""

from __future__ import annotations

from pathlib import Path

from latentrl.runs.folder import METRICS
from latentrl.support.errors import UserError
from latentrl.support.files import read_json


def training_warnings(run: Path) -> list[str]:
    """The warnings in ``metrics.json`` of a run, as they are; none where nothing of the kind is kept there."""
    try:
        found = read_json(run / METRICS, "").get("warnings")
    except UserError:
        # Neither learning nor acting needs the file: it is no reason to end.
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def repeated(run: Path) -> list[str]:
    """A line for each of these warnings in short, and what to think of them; empty without any."""
    warnings = training_warnings(run)
    if not warnings:
        return []
    # What is amiss comes first in each; figures and cures follow.
    short = "; ".join(one.partition(":")[0] for one in warnings)
    return [
        f"the training of {run} warned: {short}; what is learned or planned in such a model seldom works "
        f"({run / METRICS} has the figures and what to try)"
    ]
