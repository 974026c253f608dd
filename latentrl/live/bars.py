"""How a stage of work shows how far it is: on a bar of its own, on a panel that all stages share, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, TypeAlias, runtime_checkable

from latentrl.support.progress import progress


class Bar(Protocol):
    """What stages use of a bar; tqdm's is one."""

    def update(self, n: int = 1) -> object:
        """So many more steps are done."""
        ...

    def set_description_str(self, desc: str) -> None:
        """What is done now."""
        ...

    def set_postfix_str(self, s: str) -> None:
        """Figures of it."""
        ...

    def close(self) -> None:
        """It is done."""
        ...

    def __enter__(self) -> Bar: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> object: ...


@runtime_checkable
class ShowsBars(Protocol):
    """A panel that all stages share."""

    def bar(self, total: int, initial: int, name: str) -> Bar:
        """What the stage at work tells its steps to."""
        ...

    def watch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Draw curves of ``history``, which grows."""
        ...


Shown: TypeAlias = bool | ShowsBars
"""Bars, none, or a panel."""


def opened_bar(shown: Shown, total: int, initial: int = 0, name: str = "") -> Bar:
    """A bar of ``total`` steps, ``initial`` of which are done, as ``shown`` says."""
    if isinstance(shown, ShowsBars):
        return shown.bar(total, initial, name)
    return progress(total, "step", name, initial, shown)


def watch(shown: Shown, history: Sequence[Mapping[str, float]]) -> None:
    """Draw curves of ``history`` where there is a panel."""
    if isinstance(shown, ShowsBars):
        shown.watch(history)
