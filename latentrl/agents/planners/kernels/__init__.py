"""The backward pass of iLQR as a kernel that numba compiles for the processor: see `riccati`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentrl.agents.planners.derivatives import LinearSteps, QuadraticReward
from latentrl.agents.planners.kernels.riccati import riccati
from latentrl.support.compiling import compiled


def backward_kernel(
    steps: LinearSteps, reward: QuadraticReward, lower: Tensor, upper: Tensor, regularisation: Tensor
) -> tuple[Tensor, Tensor]:
    """Change ``[N, H, Du]`` and feedback ``[N, H, Du, Dz]``: see `latentrl.agents.planners.riccati.backward_pass`."""
    given = (torch.cat(steps, -1), *reward, lower, upper, regularisation)
    change = torch.empty(lower.shape, dtype=torch.float64)
    feedback = torch.empty(*lower.shape, steps.by_action.shape[-2], dtype=torch.float64)
    tiny = torch.finfo(lower.dtype).tiny ** 0.5
    kernel()(*(one.double().contiguous().numpy() for one in given), tiny, change.numpy(), feedback.numpy())
    return change.to(lower.dtype), feedback.to(lower.dtype)


@cache
def kernel() -> Any:
    """The kernel, compiled: once for all sizes."""
    one, three, four = (np.empty((0,) * rank) for rank in (1, 3, 4))
    return compiled(riccati, (four, three, four, three, three, one, 0.0, three, four))
