"""Runs a policy's learner to its end, or to Ctrl-C, and keeps the record."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from latentrl.agents.policies import CountsDiverged, FollowsOn, Learner, policy_path, save_policy
from latentrl.support.files import partial_of, replacing
from latentrl.support.interrupts import deferred_interrupt
from latentrl.support.printing import digits, say
from latentrl.support.progress import progress
from latentrl.tracking.base import Scalars
from latentrl.tracking.tensorboard import Board

AWAY = 0.5
"""In the long run, of the squared distance at the start: a policy that stays so far away has not arrived."""
DIVERGED, MOSTLY = 0.01, 0.5
"""Of imagined episodes: where more leave what the model can know it is said; and where there are hardly others."""
PART = "-interrupted"
"""After the name of a policy that was not learned to the end."""
SAID = {"mean_reward": "mean imagined reward per step", "mean_return": "mean imagined return of an episode"}
"""Figures of learners in words."""


class LearningInterrupted(KeyboardInterrupt):
    """Ctrl-C while a policy was learned.

    Attributes:
        done, budget: how far it came.
        kept: the weights of what there is, beside the policy that it was to be; None: nothing was done.
    """

    done: int
    budget: int
    kept: Path | None

    def __init__(self, done: int, budget: int, kept: Path | None) -> None:
        super().__init__(f"after {done} of {budget}")
        self.done, self.budget, self.kept = done, budget, kept


def learn_into(
    folder: Path,
    learner: Learner,
    notes: Mapping[str, object],
    name: str = "policy",
    trackers: Sequence[Scalars] = (),
    unit: str = "step",
    shown: bool = True,
) -> Path:
    """Run ``learner`` to its end and save policy and history in ``folder``.

    Writes ``NAME.safetensors`` and ``NAME.json`` (with ``notes``), ``NAME_history.csv`` and TensorBoard's log in
    ``NAME_log/``. Returns the path of the weights. On Ctrl-C all but the log go to ``NAME-interrupted``: a policy that
    is there stays. Once a policy of that name is learned to its end, what an interrupted one has left is removed. What
    the learner has chosen itself is noted among its settings (``notes["learner"]``).

    What goes to the log goes to ``trackers`` too; ``unit`` is what the budget is counted in; ``shown`` says whether
    there is a progress bar.

    Raises:
        LearningInterrupted: on Ctrl-C.
    """
    history: list[dict[str, float]] = []
    done = 0
    with (
        closing(Board(log_folder(folder, name))) as log,
        progress(learner.budget, unit, "learn", shown=shown) as bar,
        deferred_interrupt() as check,
    ):

        def on_progress(now: int, figures: Mapping[str, float]) -> None:
            nonlocal done
            bar.update(now - done)
            done = now
            history.append({"done": now, **figures})
            finite = {f"policy/{key}": value for key, value in figures.items() if math.isfinite(value)}
            for tracker in (log, *trackers):
                tracker.log(finite, now)
            key, value = next(iter(figures.items()))
            bar.set_postfix({key: f"{value:.3f}"}, refresh=False)
            check()

        try:
            learner.learn(on_progress)
        except KeyboardInterrupt as interrupt:
            kept = None if not done else _save(folder, learner, {**notes, "updates_done": done}, history, name + PART)
            raise LearningInterrupted(done, learner.budget, kept) from interrupt
    long_run = learner.long_run if isinstance(learner, FollowsOn) else math.nan
    diverged = learner.diverged if isinstance(learner, CountsDiverged) else math.nan
    found = {
        "updates_done": done,
        "imagined_returns": [one for one in learner.returns if math.isfinite(one)],
        **{name: value for name, value in (("long_run", long_run), ("diverged", diverged)) if math.isfinite(value)},
    }
    try:
        # First, for nobody may read what is printed; what fails here is told after what was reached.
        path = _save(folder, learner, {**notes, **found}, history, name)
    finally:
        say(how_it_ended(done, learner.budget, learner.returns, unit) + _last(history), flush=True)
        if not math.isnan(long_run):
            say(how_it_lasts(long_run), flush=True)
        if diverged > DIVERGED:
            say(how_many_diverge(diverged), flush=True)
    _remove_part(folder, name)
    return path


def log_folder(folder: Path, name: str) -> Path:
    """Where TensorBoard's log of a policy goes."""
    return folder / f"{name}_log"


def how_it_ended(done: int, budget: int, returns: Sequence[float], unit: str = "update") -> str:
    """How far learning went and what it brought, in a line; with a warning where it brought nothing.

    Args:
        done: of the budget.
        budget: in the learner's units.
        returns: see :attr:`latentrl.agents.policies.Learner.returns`.
        unit: what the budget is counted in, one of them.
    """
    if len(returns) < 2:
        return f"learned for {done} of {budget} {unit}s"
    first, best = returns[0], max(returns[1:])
    said = f"from {first:.3g} to {best:.3g} a step"
    if not best > first:
        return (
            f"warning: the imagined return did not rise in {done} updates ({said}): try another --seed or more "
            "--updates, or look at the model with imagine"
        )
    ending = "all of them" if done >= budget else f"of {budget} at most, for more would not have helped"
    return f"the imagined return rose {said} in {done} updates, {ending}"


def how_it_lasts(long_run: float) -> str:
    """How the policy fares in long imagined episodes, in a line; with a warning where it does not arrive.

    Args:
        long_run: see `latentrl.agents.policies.FollowsOn`.
    """
    said = (
        f"in long imagined episodes the squared distance from the goal becomes {long_run:.2g} of the start's "
        "(0: at the goal)"
    )
    if long_run <= AWAY:
        return said
    return (
        f"warning: {said}: even in the model this policy does not arrive; try a longer --horizon, a planner or, where "
        "the goal is a position, --distance geodesic, and look at the model with imagine"
    )


def how_many_diverge(diverged: float) -> str:
    """A warning that imagined episodes left what the model can know.

    Args:
        diverged: see `latentrl.agents.policies.CountsDiverged`.
    """
    others = "the policy learns from the others, but " if diverged < MOSTLY else ""
    return (
        f"warning: {diverged:.1%} of imagined episodes leave what the model can know, far beyond its typical states, "
        f"and were stopped there: {others}the model is wrong somewhere, or is asked for too much; look at it with "
        "imagine, try a smaller --action-limit or a shorter --horizon, or train with another --seed"
    )


def _last(history: Sequence[Mapping[str, float]]) -> str:
    """The last figure that a bar shows, for whoever has seen none."""
    said = [(key, value) for key, value in history[-1].items() if key != "done"] if history else []
    return f"; the last {SAID.get(said[0][0], said[0][0].replace('_', ' '))}: {digits(said[0][1])}" if said else ""


def _remove_part(folder: Path, name: str) -> None:
    """Remove the policy that was not learned to its end, and what a kill has left of its being written."""
    weights = policy_path(folder, name + PART)
    for file in (weights, weights.with_suffix(".json"), folder / f"{name}{PART}_history.csv"):
        file.unlink(missing_ok=True)
        partial_of(file).unlink(missing_ok=True)


def _save(
    folder: Path, learner: Learner, notes: Mapping[str, object], history: Sequence[Mapping[str, float]], name: str
) -> Path:
    _write_history(folder / f"{name}_history.csv", history)
    return save_policy(learner.policy, folder, notes, name)


def _write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="") as file:
        if history:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)
