"""The hand-written adjoints against autograd through the plain functions, and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.inference import kalman, kalman_adjoint
from latentrl.types import Belief

BATCH, STATE, ACTIONS = 5, 4, 2


def covariance(*shape: int, seed: int) -> Tensor:
    root = torch.randn(*shape, shape[-1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return root @ root.mT + 0.1 * torch.eye(shape[-1], dtype=torch.float64)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaves(*tensors: Tensor) -> list[Tensor]:
    return [t.clone().requires_grad_() for t in tensors]


@pytest.mark.parametrize("observed", [1, 2, 3])
@pytest.mark.parametrize("some_missing", [False, True])
def test_update_equals_the_plain_update(observed: int, some_missing: bool) -> None:
    missing = torch.arange(BATCH) % 2 == 0 if some_missing else None
    emission = normal(observed, STATE, seed=9)
    values = (normal(BATCH, STATE, seed=0), covariance(BATCH, STATE, seed=1), normal(BATCH, observed, seed=2))
    weights = normal(BATCH, STATE, seed=3), kalman.symmetrise(normal(BATCH, STATE, STATE, seed=4))
    results = []
    for function in (kalman.update, kalman_adjoint.update):
        inputs = leaves(*values, covariance(observed, seed=5))
        after = function(Belief(inputs[0], inputs[1]), inputs[2], emission, inputs[3], missing)
        total = (after.mean * weights[0]).sum() + (after.covariance * weights[1]).sum()
        gradients = torch.autograd.grad(total, inputs)
        # A covariance moves symmetrically; how a gradient is split between (i, j) and (j, i) means nothing.
        results.append((*after, *(kalman.symmetrise(g) if g.shape[-1] == g.shape[-2] else g for g in gradients)))
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


@pytest.mark.parametrize("observed", [1, 2, 3])
def test_update_with_an_emission_matrix_for_each_sequence(observed: int) -> None:
    values = (
        normal(BATCH, STATE, seed=0),
        covariance(BATCH, STATE, seed=1),
        normal(BATCH, observed, seed=2),
        normal(BATCH, observed, STATE, seed=9),
        covariance(observed, seed=5),
    )
    weights = normal(BATCH, STATE, seed=3), kalman.symmetrise(normal(BATCH, STATE, STATE, seed=4))
    results = []
    for function in (kalman.update, kalman_adjoint.update):
        mean, cov, observation, emission, noise = inputs = leaves(*values)
        after = function(Belief(mean, cov), observation, emission, noise)
        total = (after.mean * weights[0]).sum() + (after.covariance * weights[1]).sum()
        gradients = list(torch.autograd.grad(total, inputs))
        gradients[1], gradients[4] = kalman.symmetrise(gradients[1]), kalman.symmetrise(gradients[4])
        results.append((*after, *gradients))
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)


def test_predict_equals_the_plain_prediction() -> None:
    values = (
        normal(BATCH, STATE, STATE + ACTIONS, seed=0),
        covariance(BATCH, STATE, seed=1),
        normal(BATCH, STATE, seed=2),
        covariance(BATCH, STATE, seed=3),
    )
    control = normal(BATCH, ACTIONS, seed=4)
    weights = normal(BATCH, STATE, seed=5), kalman.symmetrise(normal(BATCH, STATE, STATE, seed=6))
    results = []
    for fast in (False, True):
        dynamics, noise, mean, cov = inputs = leaves(*values)
        if fast:
            after = kalman_adjoint.predict(Belief(mean, cov), dynamics, noise, control)
        else:
            offset = (dynamics[..., STATE:] @ control.unsqueeze(-1)).squeeze(-1)
            after = kalman.predict(Belief(mean, cov), dynamics[..., :STATE], noise, offset)
        total = (after.mean * weights[0]).sum() + (after.covariance * weights[1]).sum()
        results.append((*after, *torch.autograd.grad(total, inputs)))
    for plain, quick in zip(*results, strict=True):
        torch.testing.assert_close(quick, plain)


def test_gradients_equal_finite_differences() -> None:
    emission = normal(2, STATE, seed=0)

    def step(mean: Tensor, root: Tensor, observation: Tensor, noise_root: Tensor, dynamics: Tensor) -> Belief:
        eye = torch.eye(STATE, dtype=torch.float64)
        belief = Belief(mean, root @ root.mT + 0.1 * eye)
        noise = noise_root @ noise_root.mT + 0.1 * eye[:2, :2]
        belief = kalman_adjoint.update(belief, observation, emission, noise)
        control = torch.ones(2, ACTIONS, dtype=torch.float64)
        return kalman_adjoint.predict(belief, dynamics, (0.1 * eye).expand(2, -1, -1), control)

    inputs = leaves(
        normal(2, STATE, seed=1),
        normal(2, STATE, STATE, seed=2),
        normal(2, 2, seed=3),
        normal(2, 2, seed=4),
        normal(2, STATE, STATE + ACTIONS, seed=5),
    )
    assert torch.autograd.gradcheck(lambda *x: tuple(step(*x)), inputs)
