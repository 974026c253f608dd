"""Ctrl-C, and what counts as one: between two steps, never within one; in one line, also before a verb has begun."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""What a shell says of a process that Ctrl-C has ended."""


def is_a_verb(command: Sequence[str], package: str) -> bool:
    """Whether a process was started as ``python -m PACKAGE...`` or by the script ``PACKAGE``.

    Args:
        command: ``sys.orig_argv``.
        package: its name.
    """
    if any(Path(word).name.removesuffix(".exe") in (package, f"{package}-script.py") for word in command[:2]):
        return True
    modules = [after for before, after in zip(command, command[1:], strict=False) if before == "-m"]
    return modules[:1] == [package] or (modules[:1] != [] and modules[0].startswith(f"{package}."))


def leave_at_once() -> None:
    """Until a verb has begun, Ctrl-C ends the process in one line: there is nothing yet that it could spoil.

    To import what a verb needs takes seconds, in which Python would show where in a library it was. A handler, no
    exception: libraries that are being imported take some for errors of their own.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.stderr.write("\ninterrupted\n")
        sys.stderr.flush()
        os._exit(INTERRUPTED)

    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        leave.is_ours = True  # type: ignore[attr-defined]
        signal.signal(signal.SIGINT, leave)


def raise_again() -> None:
    """A verb has begun, and Ctrl-C is an exception from now on: undoes :func:`leave_at_once`."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and getattr(signal.getsignal(signal.SIGINT), "is_ours", False):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def ctrl_c_on_termination() -> Iterator[None]:
    """Within the block a request to terminate, or a terminal that closes, counts as Ctrl-C unless it was ignored."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            try:
                before[number] = signal.signal(number, pass_on)
            except ValueError:  # not the main thread: Python delivers no signals here
                break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def errors_of_ctrl_c() -> Iterator[None]:
    """Within the block an error that follows Ctrl-C is Ctrl-C.

    Some libraries take the exception, which may be raised anywhere within them, for a mistake in what they were given.

    Raises:
        KeyboardInterrupt: in place of another error, once Ctrl-C was raised.
    """
    raised = False

    def note(number: int, frame: FrameType | None) -> NoReturn:
        nonlocal raised
        raised = True
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    replaced = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if replaced:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if raised:
            raise KeyboardInterrupt from error
        raise
    finally:
        if replaced:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def deferred_interrupt(patient: bool = False) -> Iterator[Callable[[], None]]:
    """Within the block Ctrl-C only takes effect at the next call of the yielded function, as ``KeyboardInterrupt``.

    A second Ctrl-C takes effect at once, unless ``patient``. Outside the main thread, where Python delivers no signals,
    nothing changes.
    """
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked and not patient:
            raise KeyboardInterrupt
        asked = True

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
