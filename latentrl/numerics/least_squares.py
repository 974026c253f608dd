"""Linear least squares."""

from __future__ import annotations

import torch
from torch import Tensor


def least_squares(design: Tensor, target: Tensor) -> Tensor:
    """The ``[K, M]`` that brings ``design [N, K]`` nearest to ``target [N, M]``; the same bits for the same input.

    Torch's default driver on a CPU is not: its rounding depends on what it finds in memory.
    """
    driver = "gelsd" if design.device.type == "cpu" else "gels"
    return torch.linalg.lstsq(design, target, driver=driver).solution
