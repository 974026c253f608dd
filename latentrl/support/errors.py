"""Errors that a user can cure, and how a verb tells them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

NO_MEMORY = "can't allocate memory"


class UserError(ValueError):
    """Bad input. The message names the file or flag, the value and the cure, in one line."""


@contextmanager
def reported() -> Iterator[None]:
    """Within a verb: print a :class:`UserError` as one line on stderr, with no traceback, and exit with code 2.

    Ctrl-C that the verb itself has nothing to say to ends it in the same way, with the shell's code 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except (MemoryError, RuntimeError) as error:
        # PyTorch has no error of its own for it on the CPU.
        if not isinstance(error, MemoryError) and NO_MEMORY not in str(error):
            raise
        print(f"error: not enough memory ({error}): give smaller pictures, sizes or numbers of them", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}; give another place, or see to it", file=sys.stderr)
        raise SystemExit(2) from None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
