"""The panel of an evaluation, from figures to rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from latentrl.live.rows import Progress, Row, figure, progress_rows, wrapped
from latentrl.numerics.statistics import wilson_interval

SUCCEEDED, FAILED, WOULD, RUNS, ENDED = "●", "○", "+", "·", "■"


@dataclass
class EvaluationState:
    """What a panel shows of episodes that run at the same time.

    Attributes:
        ended: which episodes are over, ``[N]``.
        success: which would count if all ended now, ``[N]``: final for those that are over. None: nothing tells.
        medians: of what else is measured, by name, if all ended now.
        seconds: that the agent took for each action so far, all episodes at once.
        said: what else is done.
    """

    ended: Sequence[bool]
    success: Sequence[bool] | None = None
    medians: Mapping[str, float] = field(default_factory=dict)
    seconds: Sequence[float] = ()
    said: str = ""


def evaluation_rows(state: EvaluationState, progress: Progress, width: int) -> list[Row]:
    """All rows of the panel."""
    return [
        *progress_rows(progress, width),
        Row(""),
        *_marks(state, width),
        *wrapped("ended      ", _ended(state), width),
        *_now(state, width),
        *wrapped("an action  ", action_time(state.seconds, len(state.ended)), width),
        *(wrapped("", state.said, width, "dim") if state.said else ()),
    ]


def action_time(seconds: Sequence[float], episodes: int) -> str:
    """The median of an action's time, and what 99% stay below."""
    if not seconds:
        return "none yet"
    ordered = sorted(seconds)
    most = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return f"{_time(median(ordered))} in the median, 99% below {_time(most)}; {_of(episodes)}"


def successes(count: int, episodes: int) -> str:
    """So many of so many, with the 95% Wilson interval."""
    low, high = wilson_interval(count, episodes)
    return f"{count} of {episodes}, {count / episodes:.0%} (95% interval {low:.3f} to {high:.3f})"


def _marks(state: EvaluationState, width: int) -> list[Row]:
    marks = "".join(_mark(state, at) for at in range(len(state.ended)))
    return [Row(marks[at : at + width], "cyan") for at in range(0, len(marks), max(1, width))]


def _mark(state: EvaluationState, at: int) -> str:
    if state.success is None:
        return ENDED if state.ended[at] else RUNS
    if state.ended[at]:
        return SUCCEEDED if state.success[at] else FAILED
    return WOULD if state.success[at] else RUNS


def _ended(state: EvaluationState) -> str:
    over = [at for at, ended in enumerate(state.ended) if ended]
    said = f"{len(over)} of {len(state.ended)} episodes"
    if not over or state.success is None:
        return said
    return f"{said}; successes {successes(_counted(state, over), len(over))}"


def _now(state: EvaluationState, width: int) -> list[Row]:
    if state.success is None:
        said = ", ".join(f"{name} {figure(value)}" for name, value in state.medians.items())
        return wrapped("medians    ", said or "none yet", width)
    if all(state.ended):
        return []
    everyone = range(len(state.success))
    said = f"would count if all ended: {successes(_counted(state, everyone), len(everyone))}"
    return wrapped("right now  ", said, width)


def _counted(state: EvaluationState, chosen: Sequence[int]) -> int:
    assert state.success is not None
    return sum(bool(state.success[at]) for at in chosen)


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _of(episodes: int) -> str:
    return "one episode" if episodes == 1 else f"{episodes} episodes at once"
