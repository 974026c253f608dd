"""Trackers: TensorBoard in the run folder, and services of others. One is a file and a line in ``TRACKERS``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from latentrl.support.errors import UserError
from latentrl.support.files import refuse_link
from latentrl.support.interrupts import INTERRUPTED
from latentrl.support.options import default_hint
from latentrl.support.printing import say
from latentrl.tracking.base import Beginning, Ending, Kind, Scalars, Tracker
from latentrl.tracking.guarded import Guarded
from latentrl.tracking.kept import Kept, path_of
from latentrl.tracking.mlflow import MLFLOW
from latentrl.tracking.tensorboard import TENSORBOARD
from latentrl.tracking.trackio import TRACKIO
from latentrl.tracking.wandb import WANDB

TRACKERS: dict[str, Kind] = {
    "tensorboard": TENSORBOARD,
    "trackio": TRACKIO,
    "wandb": WANDB,
    "mlflow": MLFLOW,
}
DEFAULT = next(iter(TRACKERS))
PROJECT = "latentrl"
"""Where nobody names one."""
PROJECT_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
"""What all of them take for a project's name."""
TRACK = default_hint("nowhere else", "{" + ",".join(TRACKERS) + "}[:PROJECT]")
"""How ``--track`` is shown."""


class Choice(NamedTuple):
    """What ``--track`` says."""

    tracker: str
    project: str

    @property
    def flag(self) -> str:
        """As it is given."""
        return f"--track {self.tracker}:{self.project}"


def choice_of(text: str) -> Choice:
    """Read ``NAME[:PROJECT]``, and see that the tracker is there.

    Raises:
        UserError: no such tracker, one that is not installed, or no name of a project.
    """
    name, colon, project = text.partition(":")
    if name not in TRACKERS:
        raise UserError(f"--track {text}: there is no such tracker; give one of {', '.join(TRACKERS)}")
    if colon and not PROJECT_NAME.fullmatch(project):
        raise UserError(
            f"--track {text}: {project!r} is no name of a project; give letters, digits, '-', '_' and '.', at most 100"
        )
    TRACKERS[name].require(f"--track {text}")
    return Choice(name, project or PROJECT)


@contextmanager
def tracked(
    choice: Choice | None,
    folder: Path,
    settings: Mapping[str, Any],
    part: str = "",
    resume: bool = False,
    on_failure: Callable[[str], object] = lambda failure: None,
) -> Iterator[Guarded | None]:
    """Track what is done in the block; None where nothing is to be tracked.

    A failure of the tracker is told once, after the block, and kept in the run folder; it ends nothing.

    Args:
        choice: where to.
        folder: the run's.
        settings: JSON values, nested.
        part: what is done in the run folder; empty for its training.
        resume: go on with the tracked run that the folder keeps, if it is of this tracker and project.
        on_failure: told of a failure at once, in another thread.

    Raises:
        UserError: what is kept of the tracked run is damaged.
    """
    if choice is None:
        yield None
        return
    path = path_of(folder, part)
    before = Kept.read(path) if resume else None
    if before is None or (before.tracker, before.project) != choice:
        before = Kept(*choice)
    # Some write where they are called, and a stranger's folder may hold a link of that name.
    for place in (choice.tracker, f"{part}_log"):
        refuse_link(folder / place)
    beginning = Beginning(choice.project, folder.resolve().name, part, folder, settings, before.run)
    guarded = Guarded(lambda: TRACKERS[choice.tracker].begin(beginning), before, path, on_failure)
    ending: Ending = "failed"
    try:
        yield guarded
        ending = "finished"
    except (KeyboardInterrupt, SystemExit) as stopped:
        if isinstance(stopped, KeyboardInterrupt) or stopped.code == INTERRUPTED:
            ending = "interrupted"
        raise
    finally:
        failure = guarded.finish(ending)
        if guarded.where is not None:
            print(f"tracked: {guarded.where}", flush=True)
        if failure is not None:
            say(f"warning: {choice.flag}: not all was tracked ({failure}); {path} keeps that", flush=True)


__all__ = [
    "DEFAULT",
    "TRACK",
    "TRACKERS",
    "Choice",
    "Guarded",
    "Kind",
    "Scalars",
    "Tracker",
    "choice_of",
    "tracked",
]
