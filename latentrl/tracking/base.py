"""What a tracker is: somewhere that figures of a run go to, beside its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from latentrl.support.errors import UserError

Ending = Literal["finished", "interrupted", "failed"]
"""How what was tracked came to its end."""
TEXTS = (".json", ".csv", ".md", ".txt")
"""Ends of names of files that can be shown as they are."""


class Scalars(Protocol):
    """Takes figures."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Figures by name at ``step``, a gradient step or an update; steps never fall."""
        ...


class Tracker(Scalars, Protocol):
    """One tracked run, which has begun. It may raise whatever it likes: see :mod:`latentrl.tracking.guarded`."""

    @property
    def run(self) -> str | None:
        """What the tracker calls the run, to go on with it later; never a secret. None: it cannot be gone on with."""
        ...

    @property
    def where(self) -> str:
        """How people find it: an address or a command."""
        ...

    def log_file(self, path: Path) -> None:
        """A file: a film (``.gif``), a picture (``.png``), figures (``.json``) or anything else."""
        ...

    def finish(self, ending: Ending) -> None:
        """Nothing more will come; what did is to be safe when this returns."""
        ...


class Beginning(NamedTuple):
    """What a tracked run begins with.

    Attributes:
        project: that it belongs to.
        group: what all that belong to one run folder are called.
        part: what of it is tracked; empty for its training.
        folder: the run's; a tracker that writes files where it is called writes them there.
        settings: JSON values, nested.
        run: the tracked run to go on with; None begins a new one.
    """

    project: str
    group: str
    part: str
    folder: Path
    settings: Mapping[str, Any]
    run: str | None = None

    @property
    def name(self) -> str:
        """What it is called, for people."""
        return f"{self.group}-{self.part}" if self.part else self.group


class Kind(NamedTuple):
    """A way to track.

    Attributes:
        begin: begins, or goes on with, a run; it may take as long as a network does, and raise anything.
        module: what must be installed, which is also the name of the extra that installs it; None: it is there.
        check: raises a `UserError` for what can be known at once to make :attr:`begin` fail.
    """

    begin: Callable[[Beginning], Tracker]
    module: str | None = None
    check: Callable[[], None] = lambda: None

    def require(self, flag: str) -> None:
        """Refuse a tracker that is not there.

        Raises:
            UserError: it names the ``flag`` as given, and the command that installs it.
        """
        if self.module is not None and find_spec(self.module) is None:
            raise UserError(f"{flag}: {self.module} is not installed: pip install 'latentrl[{self.module}]'")
        self.check()


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings as one level: ``{"a": {"b": 1}}`` is ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        key = f"{before}{name}"
        found |= flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return found
