"""What a measurement is: figures that a study wants of every trained run, beside those that its training measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Measured:
    """What was measured of a run.

    Attributes:
        figures: by name, for tables and claims.
        arrays: by name, for pictures.
    """

    figures: Mapping[str, float]
    arrays: Mapping[str, Tensor]


@dataclass(frozen=True)
class Measurement:
    """How runs are measured, and what is drawn of it.

    Attributes:
        settings: what makes two measurements of a run the same; where they have changed it is measured anew.
        measure: a finished run folder and a data folder to what is kept of them. Raises a UserError where it cannot.
        pictures: PNG files by name, of the arrays of several runs by label.
    """

    settings: Mapping[str, int | float | str]
    measure: Callable[[Path, Path], Measured]
    pictures: Callable[[Mapping[str, Arrays]], dict[str, bytes]]
