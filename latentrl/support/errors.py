"""Errors that a user can cure, and how a verb tells them."""

from __future__ import annotations

import errno
import os
import select
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from latentrl.support.interrupts import INTERRUPTED, ctrl_c_on_termination, errors_of_ctrl_c, raise_again
from latentrl.support.streams import usable

FAILED = 3
"""Exit code of a verb that has written all there is, not all of which is to be used: a training of a study failed."""
UNREAD = 128 + 13
"""What a shell says of a process that wrote into a pipe which nobody reads any more (SIGPIPE)."""
NO_MEMORY = "can't allocate memory"


class UserError(ValueError):
    """Bad input. The message names the file or flag, the value and the cure, in one line."""


def message_of(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def one_line(error: BaseException) -> str:
    """An error's kind and message without line breaks, shortened where it is very long."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else f"{text[:297]}..."


CURES = {
    errno.ENOSPC: "free some space and call it again; what was there is kept",
    errno.EDQUOT: "free some space and call it again; what was there is kept",
    errno.EROFS: "name a folder that can be written to; what was there is kept",
    errno.EACCES: "allow it, or name another; what was there is kept",
    errno.EPERM: "allow it, or name another; what was there is kept",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOTDIR: "a file stands where a folder should be: move it away, or name another folder",
    errno.EISDIR: "a folder stands where a file should be: move it away, or name another file",
    errno.EEXIST: "a file stands where a folder should be: move it away, or name another folder",
    errno.ELOOP: "a link leads to itself: remove it, or name another",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.EIO: "the disk fails: save what you can, and name a folder on another one",
}
"""What a user does about an operating system's refusal, by its number."""


def refusal(error: OSError) -> str | None:
    """The line for what the operating system refuses; None where no user can cure it."""
    if error.errno not in CURES:
        return None if error.filename is None else f"{error.filename}: {error.strerror}; give another place"
    where = "" if error.filename is None else f"{error.filename}: "
    return f"{where}{error.strerror}: {CURES[error.errno]}"


@contextmanager
def reported() -> Iterator[None]:
    """Within a verb: print a :class:`UserError` as one line on stderr, with no traceback, and exit with code 2.

    What the operating system refuses is told in the same way: a full disk, a folder that cannot be written to.
    Ctrl-C that the verb itself has nothing to say to ends it in the same way, with the shell's code 130; a request to
    terminate counts as one, so that a verb saves what it has and removes what it has not finished. Where nobody reads
    what it prints any more, as in ``| head``, it ends without a word.
    """
    raise_again()
    usable()
    try:
        try:
            _check_encoding(sys.argv)
            with errors_of_ctrl_c(), ctrl_c_on_termination(), _refusals_of_threads_untold():
                yield
        finally:
            # Now, so that Python does not tell of it when it ends.
            sys.stdout.flush()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except (MemoryError, RuntimeError) as error:
        # PyTorch has no error of its own for it on the CPU.
        if not isinstance(error, MemoryError) and NO_MEMORY not in str(error):
            raise
        print(f"error: not enough memory ({error}): give smaller pictures, sizes or numbers of them", file=sys.stderr)
        raise SystemExit(2) from None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            raise
        print(f"error: {_no_text(error.object)}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _leave_unread():
            raise SystemExit(UNREAD) from None
        line = refusal(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def _check_encoding(words: Sequence[str]) -> None:
    """Refuse names whose bytes are no text: they can stand in no JSON file, and libraries do not open them."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UserError(_no_text(word)) from error


def _no_text(word: str) -> str:
    return f"{word!a}: its bytes are no UTF-8; rename it, or set PYTHONUTF8=1 where the locale has another encoding"


@contextmanager
def _refusals_of_threads_untold() -> Iterator[None]:
    """Within the block a thread that the operating system refuses something ends without a word.

    TensorBoard's writes its log in one, and raises what that met where the verb writes next.
    """
    before = threading.excepthook

    def told(met: threading.ExceptHookArgs) -> None:
        if not isinstance(met.exc_value, OSError) or refusal(met.exc_value) is None:
            before(met)

    threading.excepthook = told
    try:
        yield
    finally:
        threading.excepthook = before


def _leave_unread() -> bool:
    """Whether what is printed goes into a pipe that nobody reads; it goes nowhere from now on.

    Pipes to other processes break too, and that is an error of theirs.
    """
    if not hasattr(select, "poll"):  # Windows
        return False
    found = False
    for stream in (sys.stdout, sys.stderr):
        try:
            descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):  # it is no file
            continue
        polling = select.poll()
        polling.register(descriptor, 0)
        if any(event & select.POLLERR for _, event in polling.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
            found = True
    return found
