"""What a figure is to those who draw all of them: the arrays it wants, and how they become a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrl.figures.theme import LIGHT, Theme

Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Drawing:
    """A kind of figure.

    Attributes:
        wants: names of arrays with their shapes. A letter is a size that the data decides, the same in all arrays, and
            ``()`` a single number. Pictures are in [0, 1], flags are 0 or 1.
        draw: from these arrays and a theme, the figure.
    """

    wants: Mapping[str, Shape]
    draw: Callable[[Arrays, Theme], Figure]

    def __call__(self, arrays: Arrays, theme: Theme = LIGHT) -> Figure:
        """The figure of ``arrays``; others than the wanted ones are ignored.

        Raises:
            ValueError: an array is missing, or of another shape.
        """
        chosen = {name: np.asarray(arrays[name]) for name in self.wants if name in arrays}
        missing = [name for name in self.wants if name not in chosen]
        if missing:
            raise ValueError(f"the figure wants {', '.join(self.wants)}; missing: {', '.join(missing)}")
        sizes: dict[str, int] = {}
        for name, wanted in self.wants.items():
            found = chosen[name].shape
            if len(found) != len(wanted) or not all(
                size == (sizes.setdefault(letter, size) if isinstance(letter, str) else letter)
                for letter, size in zip(wanted, found, strict=True)
            ):
                known = "".join(f", {letter} = {size}" for letter, size in sizes.items())
                raise ValueError(f"the figure wants {name} [{', '.join(map(str, wanted))}]{known}; got {found}")
        return self.draw(chosen, theme)
