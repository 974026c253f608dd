"""Linear least squares."""

from __future__ import annotations

import torch
from torch import Tensor


def least_squares(design: Tensor, target: Tensor) -> Tensor:
    """The ``[K, M]`` that brings ``design [N, K]`` nearest to ``target [N, M]``; the same bits for the same input.

    Torch's default driver on a CPU is not reproducible to the bit.
    """
    driver = "gelsd" if design.device.type == "cpu" else "gels"
    return torch.linalg.lstsq(design, target, driver=driver).solution


def unexplained(positions: Tensor, components: Tensor) -> Tensor:
    """The share of ``components [N, K]`` that a linear map of ``positions [N, Da]`` leaves unexplained, a scalar.

    The map is the least-squares fit to these very points, and differentiable. Components have unit variance.
    """
    return (predicted(positions, components) - components).square().mean()


def predicted(positions: Tensor, components: Tensor) -> Tensor:
    """``components [N, K]`` as the linear map of ``positions [N, Da]`` that is nearest to them."""
    design = torch.cat((positions, torch.ones_like(positions[:, :1])), -1)
    # Nearly equal positions, as at the start, would make the normal equations singular.
    ridge = 1e-6 * len(design) * torch.eye(design.shape[-1], device=design.device, dtype=design.dtype)
    # With the ridge the system has a solution; to ask whether it was found, a GPU would have to be waited for.
    checked = design.device.type == "cpu"
    return design @ torch.linalg.solve_ex(design.T @ design + ridge, design.T @ components, check_errors=checked).result
