"""Neural linearisation: the mixture of base matrices, written out."""

from __future__ import annotations

import torch

from latentrl.transitions.locally_linear import STEP, LocallyLinearTransition


def make() -> LocallyLinearTransition:
    torch.manual_seed(0)
    module = LocallyLinearTransition(3, 2, base_matrices=4, hidden=(8, 8))
    module.control_scale.copy_(torch.tensor([2.0, 5.0]))
    return module


def test_mean_and_noise_follow_the_equations() -> None:
    module, g = make(), torch.Generator().manual_seed(0)
    state, action = torch.randn(5, 3, generator=g), torch.randn(5, 2, generator=g)
    control = action / torch.tensor([2.0, 5.0])
    alpha = module.gate(torch.cat((state, control), -1)).softmax(-1)
    f = torch.einsum("bm,mij->bij", alpha, module.state_matrices)
    b = torch.einsum("bm,mij->bij", alpha, module.control_matrices)
    q = alpha @ (module.log_noise.exp() + module.noise_floor)
    step = module(state, action)
    torch.testing.assert_close(step.mean, torch.einsum("bij,bj->bi", f, state) + torch.einsum("bij,bj->bi", b, control))
    torch.testing.assert_close(step.covariance, torch.diag_embed(q))


def test_weights_in_double_agree_with_the_module() -> None:
    module, g = make(), torch.Generator().manual_seed(1)
    state, action = torch.randn(5, 3, generator=g), torch.randn(5, 2, generator=g)
    weights = module.weights(torch.float64)
    control = weights.scaled(action)
    local = weights.linearise(state.double(), weights.gate_input(control))
    step = module(state, action)
    torch.testing.assert_close(local.mean(state.double(), control).float(), step.mean)
    assert local.state_matrix.shape == (5, 3, 3)


def test_the_density_in_another_gauge_is_that_of_the_whole_covariance() -> None:
    module, g = make(), torch.Generator().manual_seed(2)
    module.gauge.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.7, -2.0, 0.3], [-0.4, 0.5, 1.5]]))
    with torch.no_grad():
        module.log_noise.copy_(torch.randn(4, 3, generator=g))
    state, action = torch.randn(5, 6, 3, generator=g), torch.randn(5, 6, 2, generator=g)
    step, value = module(state, action), torch.randn(5, 6, 3, generator=g)
    whole = torch.distributions.MultivariateNormal(step.mean, step.covariance)
    torch.testing.assert_close(step.log_prob(value), whole.log_prob(value), rtol=1e-4, atol=1e-4)


def test_samples_in_another_gauge_have_the_covariance() -> None:
    module, g = make(), torch.Generator().manual_seed(3)
    module.gauge.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.7, -2.0, 0.3], [-0.4, 0.5, 1.5]]))
    step = module(torch.zeros(200_000, 3), torch.zeros(200_000, 2))
    left = (step.rsample(g) - step.mean).detach()
    torch.testing.assert_close(left.mT @ left / len(left), step.covariance[0].detach(), rtol=0, atol=3e-4)


def test_the_prior_of_base_matrices_is_a_normal_around_their_mean() -> None:
    module = make()
    matrices = torch.cat((module.state_matrices, module.control_matrices), -1)
    normal = torch.distributions.Normal(matrices.mean(0), 0.3)
    at_the_mean = normal.log_prob(matrices.mean(0)).sum() * len(matrices)
    torch.testing.assert_close(module.matrix_prior(0.3), at_the_mean - normal.log_prob(matrices).sum())


def test_starts_near_the_identity() -> None:
    module = make()
    state = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert (module(state, torch.zeros(50, 2)).mean - state).abs().mean() < 0.2


def test_a_kinematic_transition_starts_as_a_point_that_moves_on() -> None:
    torch.manual_seed(0)
    first = LocallyLinearTransition(4, 2, base_matrices=400, kinematic=True).state_matrices.detach().mean(0)
    expected = torch.eye(4)
    expected[0, 2] = expected[1, 3] = STEP
    torch.testing.assert_close(first, expected, atol=0.02, rtol=0)
