"""What is asked of a cluster: to call functions elsewhere, and to say which calls were lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

Task: TypeAlias = Any
"""A call that was submitted; hashable. What it is, the cluster knows."""
RETRIES = 3
"""Times that a call is made again whose process or machine was lost."""


class LostError(RuntimeError):
    """The process or the machine that made a call is gone, and so is what the call has not left on a disk."""


class Cluster(Protocol):
    """Machines with the package and its libraries on each; a call takes one core."""

    @property
    def cores(self) -> int:
        """Of all machines together, one at least."""
        ...

    def submit(self, work: Callable[..., Any], *arguments: Any, retries: int = 0, gpus: int = 0) -> Task:
        """Call a function of the package somewhere.

        Args:
            work: named at the top of its module, so that other machines find it.
            arguments: of the call.
            retries: times that it is called again where it is lost; for functions without effects.
            gpus: that it is given.
        """
        ...

    def done(self, tasks: Sequence[Task], seconds: float) -> list[Task]:
        """Those of ``tasks`` that have ended, or were lost, by the time that so many seconds are over."""
        ...

    def result(self, task: Task) -> Any:
        """What a call returned; waits for it.

        Raises:
            LostError: see there.
            Exception: what the call raised.
        """
        ...

    def cancel(self, task: Task) -> None:
        """What the call would return is not needed any more."""
        ...

    def everywhere(self, work: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function once on every machine; what it returned, by the machine's address."""
        ...
