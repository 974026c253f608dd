"""Where work is done, as ``--on`` says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from latentrl.support.errors import UserError

LOCAL, RAY, SLURM = "local", "ray", "slurm"
ADDRESS = re.compile(r"ray://[^\s:/]+:\d{1,5}")


class Where(NamedTuple):
    """A kind of place, and the address of a cluster where one was given."""

    kind: str
    address: str | None = None


def where(text: str, known: Sequence[str]) -> Where:
    """What ``--on`` names.

    Args:
        text: ``local``, ``ray``, ``ray://HOST:PORT`` or ``slurm``.
        known: the kinds that the verb has.

    Raises:
        UserError: something else; it names the flag and what there is.
    """
    kind, sign, _ = text.partition("://")
    if kind == RAY and RAY in known and sign:
        if not ADDRESS.fullmatch(text):
            raise UserError(f"--on {text}: give ray://HOST:PORT, such as ray://head:10001")
        return Where(RAY, text)
    if sign or kind not in known:
        names = [name for one in known for name in ((one, "ray://HOST:PORT") if one == RAY else (one,))]
        raise UserError(f"--on {text}: there is no such place; give one of {', '.join(names)}")
    return Where(kind)
