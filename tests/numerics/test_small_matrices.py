from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.numerics.small_matrices import inverse_positive, solve_positive


def positive(size: int, seed: int) -> Tensor:
    root = torch.randn(4, size, size + 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(size, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_solutions_are_lapack_s(size: int) -> None:
    matrix, right = positive(size, size), torch.randn(4, size, 2, dtype=torch.float64)
    torch.testing.assert_close(solve_positive(matrix, right), torch.linalg.solve(matrix, right))
    torch.testing.assert_close(inverse_positive(matrix), torch.linalg.inv(matrix))


def test_a_matrix_that_is_not_positive_definite_does_not_go_unnoticed() -> None:
    assert inverse_positive(torch.diag(torch.tensor([1.0, -1.0, 2.0]))).isnan().any()
