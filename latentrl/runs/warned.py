"""What the training of a run found and warned of: whoever learns or plans in its model is told once more."""

from __future__ import annotations

import math
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


def figure(run: Path, name: str) -> float | None:
    """A figure in ``metrics.json`` of a run; None where nothing of the kind is kept there, or no finite one."""
    try:
        found = read_json(run / METRICS, "").get(name)
    except UserError:
        return None
    if not isinstance(found, int | float) or isinstance(found, bool) or not math.isfinite(found):
        return None
    return float(found)


def repeated(run: Path) -> list[str]:
    """A line that says these warnings in short, and what they mean for whoever goes on; none without any."""
    warnings = training_warnings(run)
    if not warnings:
        return []
    # What is amiss comes first in each; figures and cures follow.
    short = "; ".join(one.partition(":")[0] for one in warnings)
    return [
        f"the training of {run} warned: {short}; a policy or a plan in such a model may be wasted time "
        f"({run / METRICS} has the figures and what to try)"
    ]
