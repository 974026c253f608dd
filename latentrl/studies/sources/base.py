"""What a source of frames is: data that a study of static models makes without an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Frames:
    """Frames of a split.

    Attributes:
        observations: ``[N, *shape]``, uint8 pictures ``[H, W, C]`` or float32 readings ``[D]``.
        labels: which kind each is of, ``[N]`` int64: ground truth, for pictures and figures alone.
    """

    observations: NDArray[Any]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """What a source gives for a seed.

    Attributes:
        frames: of ``train`` and ``test``.
        about: for ``metadata.json``, of JSON's types: ``labels``, the name of each label, and ``origin``, where
            frames are from; perhaps ``parts``, the name of what each reading belongs to.
    """

    frames: Mapping[str, Frames]
    about: Mapping[str, Any]


Source = Callable[[int], Splits]
"""Frames to train on and held-out ones, by a seed. Raises a UserError that names a package or a file to get."""
