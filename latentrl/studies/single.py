"""Single runs by name: work for processes beside others, of which each holds its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from latentrl.support.errors import UserError

RUN = re.compile(r"(?P<name>.+)/seed(?P<seed>\d{1,9})")


def single_runs(words: Sequence[str], flag: str, seeds: int | None = None) -> tuple[tuple[str, int], ...]:
    """Row, or system, and seed of ``NAME/seedK``; empty where ``words`` name no single run.

    Args:
        words: of the option.
        flag: the option, for people.
        seeds: that there are; None: as many as are named.

    Raises:
        UserError: some words name runs, some do not; a seed that is none of these.
    """
    matches = [RUN.fullmatch(word) for word in words]
    if not any(matches):
        return ()
    found = []
    for word, match in zip(words, matches, strict=True):
        if match is None:
            raise UserError(f"{flag} {word}: give single runs alone, NAME/seedK, or none")
        seed = int(match["seed"])
        if seeds is not None and seed >= seeds:
            raise UserError(f"{flag} {word}: there are {seeds} seeds, from 0; give --seeds {seed + 1} or more")
        found.append((match["name"], seed))
    return tuple(found)
