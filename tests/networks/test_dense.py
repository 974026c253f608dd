"""The slopes of an MLP against automatic differentiation."""

from __future__ import annotations

import pytest
import torch

from latentrl.networks.dense import mlp, mlp_jacobian


@pytest.mark.parametrize("outputs", [None, 2], ids=["all", "two"])
@pytest.mark.parametrize("sizes", [(3, 5), (3, 16, 16, 5)])
def test_slopes_are_those_of_autograd(sizes: tuple[int, ...], outputs: int | None) -> None:
    torch.manual_seed(0)
    network, inputs = mlp(sizes).double(), torch.randn(6, 3, dtype=torch.float64)
    with torch.inference_mode():
        values, slopes = mlp_jacobian(network, inputs, outputs)
    for i, point in enumerate(inputs):
        expected = torch.autograd.functional.jacobian(network, point)
        torch.testing.assert_close(slopes[i], expected[:outputs])
        torch.testing.assert_close(values[i], network(point)[:outputs])
