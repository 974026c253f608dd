"""The loop over time against the joint Gaussian of all states, and what is missing leaks nowhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.inference import kalman, kalman_adjoint
from latentrl.inference.filtering import Local, filter_all
from latentrl.inference.kalman import Filtered
from latentrl.types import Belief
from tests.linear_gaussian import BATCH, LENGTH, OBSERVED, STATE, System, joint_posterior, random_system

SOME = [True, False, True, True, False, True]


def run(system: System, observations: Tensor, missing: Tensor | None = None) -> Filtered:
    """The offsets of the system are controls that B = 1 lets through."""
    identity = torch.eye(STATE, dtype=torch.float64).expand(BATCH, LENGTH - 1, STATE, STATE)
    dynamics = torch.cat((system.transitions, identity), -1)
    return filter_all(
        Belief(system.mean, system.covariance),
        observations,
        system.offsets,
        [system.emission] * LENGTH,
        system.emission_noise,
        lambda t, mean: Local(dynamics[:, t], system.noises[:, t]),
        missing,
    )


@pytest.mark.parametrize("present", [[True] * LENGTH, SOME])
def test_filter_and_smoother_equal_the_joint_gaussian(present: list[bool]) -> None:
    system, given = random_system(), torch.tensor(present)
    missing = ~given.expand(BATCH, -1)
    found = run(system, torch.where(missing[..., None], torch.nan, system.observations), missing)
    steps = torch.arange(LENGTH)
    for t in range(LENGTH):
        block = slice(t * STATE, (t + 1) * STATE)
        for belief, known in ((found.predicted, steps < t), (found.filtered, steps <= t)):
            if (given & known).any():
                mean, spread, _ = joint_posterior(system, given & known)
                torch.testing.assert_close(belief.mean[:, t], mean[:, block])
                torch.testing.assert_close(belief.covariance[:, t], spread[:, block, block])
    torch.testing.assert_close(kalman.smooth_all(*found).mean.flatten(1), joint_posterior(system, given)[0])


def test_of_a_single_observation_there_is_no_step() -> None:
    system = random_system()
    prior = Belief(system.mean, system.covariance)
    nothing = system.offsets[:, :0]
    seen = system.observations[:, :1]

    def never(t: int, mean: Tensor) -> Local:
        raise AssertionError("there is nothing to linearise")

    found = filter_all(prior, seen, nothing, [system.emission], system.emission_noise, never)
    assert found.transitions.shape == found.noises.shape == (BATCH, 0, STATE, STATE)
    expected = kalman.update(prior, seen[:, 0], system.emission, system.emission_noise)
    torch.testing.assert_close(found.filtered.mean[:, 0], expected.mean)


@pytest.mark.parametrize("room", [kalman, kalman_adjoint])
def test_a_missing_observation_leaks_into_no_gradient(room: object) -> None:
    system, gradients = random_system(), []
    missing = torch.tensor([True, False, True, False])
    for stand_in in (0.0, torch.nan):
        noise = system.emission_noise.clone().requires_grad_()
        prior = Belief(system.mean, system.covariance.clone().requires_grad_())
        seen = torch.where(missing[:, None], stand_in, system.observations[:, 0])
        after = room.update(prior, seen, system.emission, noise, missing)  # type: ignore[attr-defined]
        after.mean.sum().backward()
        assert noise.grad is not None and noise.grad.shape == (OBSERVED, OBSERVED)
        gradients.append(noise.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().sum() > 0
