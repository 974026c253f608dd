"""How far ahead an agent looks, as people say it: in steps, or in seconds of the recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import tyro

from latentrl.support.errors import UserError

FLAG = "--horizon"
METAVAR = "STEPS|SECONDS"
LONGEST = 10_000
"""Steps: what is imagined takes memory by the step."""
PLANNED = 20
"""Steps that a planner looks ahead unless told otherwise."""


def horizon_hint(default: str) -> Any:
    """How `--horizon` stands in ``--help``, with ``default`` for what holds where it is left out."""
    return tyro.conf.arg(metavar=METAVAR, help_behavior_hint=f"(default: {default})")


def horizon_steps(given: int | str, recorded: Mapping[str, Any]) -> int:
    """The steps of a horizon.

    Args:
        given: steps (``30`` or ``"30"``), or seconds (``"1.5s"``), which are rounded to whole steps.
        recorded: what the run says of its data: ``metadata.json``, as ``settings.json`` holds it under "data". Its
            control step counts, for that is a step of the model, whatever acts.

    Raises:
        UserError: neither of them, less than a step or more than `LONGEST`, or seconds where nobody knows the step's.
    """
    text = str(given).strip()
    number, in_seconds = (text[:-1], True) if text.endswith("s") else (text, False)
    try:
        value = float(number) if in_seconds else int(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{FLAG} {given}: give steps, such as 30, or seconds, such as 1.5s")
    if value <= 0:
        raise UserError(f"{FLAG} {given}: give one step or more, such as 30, or seconds, such as 1.5s")
    step, unit = 1.0, ""
    if in_seconds:
        known = control_step_in(recorded)
        if known is None:
            raise UserError(
                f"{FLAG} {given}: nobody says how many seconds a step of the run's data takes (control_step in its "
                "metadata); give steps, such as 30"
            )
        step, unit = known, "s"
    # Of seconds that are written in decimals the quotient may lie below a whole number by a rounding error.
    if value < step * (1 - 1e-9):
        raise UserError(f"{FLAG} {given}: is less than a step of {step:g} s; give {step:g}s or more")
    if value > LONGEST * step:
        raise UserError(f"{FLAG} {given}: give at most {LONGEST * step:g}{unit}, which are {LONGEST} steps")
    return round(value / step)


def control_step_in(recorded: Mapping[str, Any]) -> float | None:
    """Seconds between two observations, by what a run or a data folder says of its data; None where nobody says it."""
    if "control_step" in recorded:
        step = recorded["control_step"]
        is_time = isinstance(step, int | float) and not isinstance(step, bool) and 0 < step < math.inf
        return float(step) if is_time else None
    if not recorded.get("env_id"):
        return None
    # Only for data from before this was noted: otherwise, whoever learns or plans loads no environment.
    from latentrl.envs import control_step_of

    return control_step_of(recorded)
