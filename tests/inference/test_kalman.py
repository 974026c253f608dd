"""Filter and smoother against the inverted joint Gaussian, finite differences, and a long run in float32."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.inference import kalman
from latentrl.types import Belief
from tests.linear_gaussian import BATCH, LENGTH, STATE, System, joint_posterior, random_system


@pytest.fixture
def system() -> System:
    return random_system()


def run_filter(system: System, missing: Tensor | None = None) -> tuple[Belief, Belief, Tensor]:
    """Predicted and filtered beliefs ``[B, T]`` and the log-likelihood ``[B]`` of the observations that are there."""
    predicted, filtered = [Belief(system.mean, system.covariance)], []
    log_likelihood = torch.zeros(BATCH, dtype=torch.float64)
    for t in range(LENGTH):
        skip = None if missing is None else missing[:, t]
        prior = predicted[t]
        marginal = torch.distributions.MultivariateNormal(
            prior.mean @ system.emission.T,
            system.emission @ prior.covariance @ system.emission.T + system.emission_noise,
        ).log_prob(system.observations[:, t].nan_to_num())
        log_likelihood = log_likelihood + (marginal if skip is None else torch.where(skip, 0.0, marginal))
        belief = kalman.update(prior, system.observations[:, t], system.emission, system.emission_noise, skip)
        filtered.append(belief)
        if t + 1 < LENGTH:
            predicted.append(
                kalman.predict(belief, system.transitions[:, t], system.noises[:, t], system.offsets[:, t])
            )

    def stack(beliefs: list[Belief]) -> Belief:
        return Belief(torch.stack([b.mean for b in beliefs], 1), torch.stack([b.covariance for b in beliefs], 1))

    return stack(predicted), stack(filtered), log_likelihood


@pytest.mark.parametrize(
    "present", [[True] * 6, [True, False, True, False, False, True], [False, True, True, True, True, False]]
)
def test_smoother_equals_joint_gaussian(system: System, present: list[bool]) -> None:
    missing = ~torch.tensor(present).expand(BATCH, -1)
    observations = torch.where(missing[..., None], torch.nan, system.observations)
    predicted, filtered, log_likelihood = run_filter(system._replace(observations=observations), missing)
    smoothed = kalman.smooth_all(filtered, predicted, system.transitions, system.noises)
    mean, covariance, expected = joint_posterior(system, torch.tensor(present))
    torch.testing.assert_close(smoothed.mean.flatten(1), mean)
    for t in range(LENGTH):
        block = slice(t * STATE, (t + 1) * STATE)
        torch.testing.assert_close(smoothed.covariance[:, t], covariance[:, block, block])
    torch.testing.assert_close(log_likelihood, expected)


def test_single_step_equals_whole_recursion(system: System) -> None:
    predicted, filtered, _ = run_filter(system)
    whole = kalman.smooth_all(filtered, predicted, system.transitions, system.noises)
    belief = Belief(filtered.mean[:, -1], filtered.covariance[:, -1])
    for t in range(LENGTH - 2, -1, -1):
        here = Belief(filtered.mean[:, t], filtered.covariance[:, t])
        ahead = Belief(predicted.mean[:, t + 1], predicted.covariance[:, t + 1])
        gain = kalman.smoother_gain(here, ahead, system.transitions[:, t])
        belief = kalman.smooth(here, ahead, system.transitions[:, t], system.noises[:, t], gain, belief)
        torch.testing.assert_close(belief.mean, whole.mean[:, t])
        torch.testing.assert_close(belief.covariance, whole.covariance[:, t])


def test_gradients_equal_finite_differences(system: System) -> None:
    small = System(*(x[:1] if x.shape[0] == BATCH else x for x in system))

    def smoothed(mean: Tensor, transitions: Tensor, noise_root: Tensor, observations: Tensor) -> tuple[Tensor, Tensor]:
        noises = (noise_root @ noise_root.mT + 0.1 * torch.eye(STATE, dtype=torch.float64)).expand(
            1, LENGTH - 1, -1, -1
        )
        belief = Belief(mean, small.covariance)
        predicted, filtered = [belief], []
        for t in range(LENGTH):
            filtered.append(kalman.update(predicted[t], observations[:, t], small.emission, small.emission_noise))
            if t + 1 < LENGTH:
                predicted.append(kalman.predict(filtered[t], transitions[:, t], noises[:, t], small.offsets[:, t]))
        result = kalman.smooth_all(
            Belief(torch.stack([b.mean for b in filtered], 1), torch.stack([b.covariance for b in filtered], 1)),
            Belief(torch.stack([b.mean for b in predicted], 1), torch.stack([b.covariance for b in predicted], 1)),
            transitions,
            noises,
        )
        return result.mean, result.covariance

    root = torch.randn(STATE, STATE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs = (small.mean, small.transitions, root, small.observations)
    assert torch.autograd.gradcheck(smoothed, tuple(x.clone().requires_grad_() for x in inputs), rtol=1e-5)


def test_float32_stays_positive_definite_for_48_000_updates() -> None:
    """A weakly damped rotation observed almost without noise: the case that breaks the short form of the update.

    Of 16 sequences, each with gaps of its own, and so with covariances of its own: what rounding has done to one is
    forgotten long before the end, and a longer sequence would show no more.
    """
    g = torch.Generator().manual_seed(0)
    rotation = torch.tensor(
        [[math.cos(0.3), math.sin(0.3), 0.1], [-math.sin(0.3), math.cos(0.3), 0.1], [0.0, 0.0, 0.999]]
    )
    noise = torch.diag(torch.tensor([1e-9, 1e-9, 1e-8]))
    emission, emission_noise = torch.eye(2, 3), 1e-8 * torch.eye(2)
    batch, steps = 16, 3000
    belief = Belief(torch.zeros(batch, 3), torch.eye(3).expand(batch, 3, 3))
    smallest, asymmetry = [], []
    observations = 1e-4 * torch.randn(steps, batch, 2, generator=g)
    # Every third observation is missing, so that the covariance swings between its two extremes.
    gaps = torch.rand(steps, batch, generator=g) < 1 / 3
    for step in range(steps):
        belief = kalman.predict(belief, rotation, noise)
        belief = kalman.update(belief, observations[step], emission, emission_noise, gaps[step])
        if step % 10 == 0:
            smallest.append(torch.linalg.eigvalsh(belief.covariance.double()).min())
            asymmetry.append((belief.covariance - belief.covariance.mT).abs().max() / belief.covariance.abs().max())
    assert torch.stack(smallest).min() > 0
    assert torch.stack(asymmetry).max() < 1e-6
    assert belief.mean.isfinite().all()


def test_missing_observation_is_skipped_even_if_it_is_nan() -> None:
    prior = Belief(torch.ones(2, 3), torch.eye(3).expand(2, 3, 3))
    observation = torch.tensor([[0.5, 0.5], [torch.nan, torch.nan]])
    after = kalman.update(prior, observation, torch.eye(2, 3), 0.1 * torch.eye(2), torch.tensor([False, True]))
    assert (after.mean[1] == prior.mean[1]).all() and (after.covariance[1] == prior.covariance[1]).all()
    assert not torch.equal(after.mean[0], prior.mean[0]) and after.mean[0].isfinite().all()


def test_a_belief_grows_no_wider_than_before_the_first_observation() -> None:
    """A state that is left to itself where it is unstable, in float32, for longer than any covariance could grow."""
    transition = torch.tensor([[1.0, 0.1, 0.0], [2.0, 1.3, 0.0], [0.0, 0.2, 0.9]], dtype=torch.float64)
    noise = 1e-5 * torch.eye(3, dtype=torch.float64)
    prior = Belief(torch.zeros(1, 3).double(), torch.tensor([1.0, 2.0, 0.5]).double().diag()[None])
    belief = Belief(torch.ones(1, 3).double(), 1e-4 * torch.eye(3).double()[None])
    grown = belief.covariance
    for _ in range(300):
        predicted = kalman.predict_around(belief.mean, belief.covariance, transition, noise)
        found = kalman.no_wider(predicted, prior)
        if bool((predicted.covariance.diagonal(dim1=1, dim2=2) <= 4 * prior.covariance.diagonal(dim1=1, dim2=2)).all()):
            assert torch.equal(found.covariance, predicted.covariance), "what is narrow stays as it is, to the bit"
        else:
            rest = 4 * prior.covariance - found.covariance
            assert float(torch.linalg.eigvalsh(rest).min()) > -1e-9, "no direction is wider"
        assert torch.equal(found.mean, predicted.mean)
        belief = Belief(found.mean, found.covariance.float().double())
        assert float(torch.linalg.eigvalsh(belief.covariance).min()) > 0
        grown = transition @ grown @ transition.T + noise
    assert float(grown.diagonal(dim1=1, dim2=2).max()) > 1e39, "left alone it is beyond any number of float32"
