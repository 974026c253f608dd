"""A curve in one line of text: eight heights of blocks (Tufte 2006, *Beautiful Evidence*, "sparklines")."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
LEVEL = "▄"
"""Of a curve that never moves."""
LOOKED_AT = 4
"""Values of one block, at most: a long curve costs no more than a short one."""


def sparkline(values: Sequence[float], width: int, log: bool = False) -> str:
    """``values`` in at most ``width`` blocks, from the lowest to the highest of what is drawn.

    A block stands for neighbouring values, with their mean; where none of them is finite it is a space.

    Args:
        values: in their order.
        width: of the text, one or more.
        log: draw logarithms; what is not above zero is not drawn.

    Raises:
        ValueError: a width below one.
    """
    if width < 1:
        raise ValueError(f"give a width of one or more; got {width}")
    read = _logarithm if log else float
    cells = [_mean(values, read, *ends) for ends in _shares(len(values), min(width, len(values)))]
    drawn = [cell for cell in cells if cell is not None]
    if not drawn:
        return " " * len(cells)
    low, span = min(drawn), max(drawn) - min(drawn)
    return "".join(" " if cell is None else _block((cell - low) / span) if span else LEVEL for cell in cells)


def _shares(count: int, cells: int) -> list[tuple[int, int]]:
    """The first and the last place but one of every cell's values."""
    return [(cell * count // cells, (cell + 1) * count // cells) for cell in range(cells)]


def _mean(values: Sequence[float], read: Callable[[float], float], start: int, end: int) -> float | None:
    stride = math.ceil((end - start) / LOOKED_AT)
    # The last one always counts: it is what the figure beside the curve says.
    found = [value for value in (read(values[at]) for at in range(end - 1, start - 1, -stride)) if math.isfinite(value)]
    return sum(found) / len(found) if found else None


def _logarithm(value: float) -> float:
    return math.log(value) if value > 0 else math.nan


def _block(share: float) -> str:
    # A share that rounding left just below a step is on it.
    return BLOCKS[min(len(BLOCKS) - 1, int(share * len(BLOCKS) + 1e-9))]
