"""Boxes ``[..., 4]``: left, top, width and height in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def overlaps(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Intersection over union ``[N, M]`` of ``boxes [N, 4]`` and ``others [M, 4]``.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 2, 2], [5.0, 5, 1, 1]])).round(3).tolist()
    [[0.333, 0.0]]
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    shared = (high - low).clip(0).prod(-1)
    return shared / (boxes[:, 2:].prod(-1)[:, None] + others[:, 2:].prod(-1)[None] - shared)
