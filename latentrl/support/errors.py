"""Errors that a user can cure, and how a verb tells them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Bad input. The message names the file or flag, the value and the cure, in one line."""


@contextmanager
def reported() -> Iterator[None]:
    """Within a verb: print a :class:`UserError` as one line on stderr, with no traceback, and exit with code 2."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
