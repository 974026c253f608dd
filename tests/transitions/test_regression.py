"""The regression's error and gradient against automatic differentiation of the density it stands for."""

from __future__ import annotations

import pytest
import torch

from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.transitions.regression import Regression

SPREAD, COUNT = 0.3, 40


@pytest.mark.parametrize("hidden", [(), (5,), (7, 5)])
@pytest.mark.parametrize("sheared", [False, True])
def test_error_and_gradient_are_those_of_the_density(hidden: tuple[int, ...], sheared: bool) -> None:
    torch.manual_seed(0)
    transition = LocallyLinearTransition(4, 2, 3, hidden, noise_floor=1e-3).double()
    transition.control_scale.copy_(torch.tensor([0.5, 2.0]))
    if sheared:
        with torch.no_grad():
            transition.log_noise.add_(torch.randn(3, 4, dtype=torch.float64))
            transition.change_coordinates(torch.eye(4).double() + torch.randn(4, 4).double().tril(-1))
    before, after = torch.randn(2, COUNT, 4, dtype=torch.float64)
    action = torch.randn(COUNT, 2, dtype=torch.float64)

    wanted = -transition(before, action).log_prob(after).mean()
    gradients = torch.autograd.grad(
        wanted + transition.matrix_prior(SPREAD) / COUNT, list(transition.parameters()), allow_unused=True
    )
    regression = Regression(transition, SPREAD, COUNT)
    for _ in range(2):  # gradients are set, not added up
        error = regression.differentiate(regression.rows(before, action, after))
    torch.testing.assert_close(error, wanted.detach(), rtol=1e-12, atol=1e-12)
    for parameter, gradient in zip(transition.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)
