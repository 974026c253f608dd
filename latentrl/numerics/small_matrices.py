"""Solving with small positive definite matrices in plain arithmetic, unrolled: for runtimes that have no LAPACK.

No pivot is chosen, which a positive definite matrix does not need (Higham, 2002, "Accuracy and Stability of Numerical
Algorithms", 10.1): every operation is the same whatever the numbers are, as a graph of fixed operations demands.
"""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.numerics.distributions import cholesky


def solve_positive(matrix: Tensor, right: Tensor) -> Tensor:
    """``A^-1 B`` ``[..., D, K]`` for a symmetric positive definite ``A [..., D, D]`` and ``B [..., D, K]``.

    By its Cholesky factor, forwards and backwards. NaN where A is not positive definite.
    """
    factor = cholesky(matrix)
    size = matrix.shape[-1]
    # rows[i] is row i of L^-1 B, and then of L'^-1 L^-1 B.
    rows: list[Tensor] = []
    for i in range(size):
        rest = right[..., i, :]
        for j, known in enumerate(rows):
            rest = rest - factor[..., i, j, None] * known
        rows.append(rest / factor[..., i, i, None])
    for i in reversed(range(size)):
        rest = rows[i]
        for j in range(i + 1, size):
            rest = rest - factor[..., j, i, None] * rows[j]
        rows[i] = rest / factor[..., i, i, None]
    return torch.stack(rows, -2)


def inverse_positive(matrix: Tensor) -> Tensor:
    """The inverse of a symmetric positive definite ``[..., D, D]``; NaN where it is not."""
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return solve_positive(matrix, eye.expand(matrix.shape))
