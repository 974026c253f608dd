"""The scans equal the loops over time, in numbers and gradients; and joining is associative."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from latentrl.inference.backends import backend_named
from latentrl.inference.backends.reference import Reference
from latentrl.inference.filtering import Local, filter_all
from latentrl.inference.kalman import Filtered, smooth_all
from latentrl.inference.kalman_parallel import (
    Backward,
    Forward,
    filter_iterated,
    filter_parallel,
    join_backward,
    join_forward,
    smooth_parallel,
)
from latentrl.inference.scan import prefixes, suffixes
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import Belief
from tests.linear_gaussian import joint_posterior as joint
from tests.linear_gaussian import random_covariance, random_system

CLOSE = 1e-9


class Model(NamedTuple):
    """A random time-varying linear-Gaussian model with observations of nothing in particular."""

    mean: Tensor
    covariance: Tensor
    observations: Tensor
    controls: Tensor
    emissions: Tensor
    noise: Tensor
    dynamics: Tensor
    noises: Tensor
    missing: Tensor | None

    @property
    def prior(self) -> Belief:
        return Belief(self.mean, self.covariance)

    @property
    def leaves(self) -> dict[str, Tensor]:
        """What gradients are asked for."""
        return {name: one for name, one in self._asdict().items() if name not in ("controls", "missing")}


def random_model(length: int, size: int, missing: str = "", batch: int = 3) -> Model:
    """F turns, so that it neither grows nor shrinks; every other state is also unstable."""
    g = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    seen = max(1, size - 1)
    turned = torch.linalg.qr(normal(batch, length - 1, size, size)).Q if length > 1 else normal(batch, 0, size, size)
    observations, gaps = normal(batch, length, seen), None
    if missing:
        shape = observations.shape if missing == "dimensions" else observations.shape[:2]
        gaps = torch.rand(shape, generator=g) < 0.3
        observations[gaps] = torch.nan
    model = Model(
        normal(batch, size),
        random_covariance(batch, size, generator=g),
        observations,
        normal(batch, length - 1, 2),
        normal(batch, length, seen, size),
        random_covariance(seen, generator=g),
        torch.cat((1.02 * turned, normal(batch, length - 1, size, 2)), -1),
        random_covariance(batch, length - 1, size, generator=g) * 0.1,
        gaps,
    )
    for leaf in model.leaves.values():
        leaf.requires_grad_()
    return model


def by_loop(model: Model) -> Filtered:
    def linearise(t: int, mean: Tensor) -> Local:
        return Local(model.dynamics[:, t], model.noises[:, t])

    emissions = model.emissions.unbind(1)
    return filter_all(model.prior, model.observations, model.controls, emissions, model.noise, linearise, model.missing)


def by_scan(model: Model) -> Filtered:
    return filter_parallel(
        model.prior,
        model.observations,
        model.controls,
        model.emissions,
        model.noise,
        model.dynamics,
        model.noises,
        model.missing,
    )


def flat(run: Filtered, smoothed: Belief) -> list[Tensor]:
    return [*run.filtered, *run.predicted, *smoothed]


def close(found: Tensor, known: Tensor) -> None:
    if not known.numel():
        assert found.shape == known.shape
        return
    torch.testing.assert_close(found, known, rtol=CLOSE, atol=CLOSE * max(1.0, float(known.detach().abs().max())))


SIZES = [
    (length, size, missing)
    for length in (1, 2, 3, 8, 13)
    for size in (1, 2, 4)
    for missing in ("", "frames", "dimensions")
]
LONG = [(1000, 2, "frames"), (1000, 4, "dimensions")]


@pytest.mark.parametrize(("length", "size", "missing"), SIZES + LONG)
def test_filter_and_smoother_and_their_gradients_are_the_loops(length: int, size: int, missing: str) -> None:
    model = random_model(length, size, missing)
    loop, scan = by_loop(model), by_scan(model)
    known, found = flat(loop, smooth_all(*loop)), flat(scan, smooth_parallel(scan))
    g = torch.Generator().manual_seed(0)
    weights = [torch.randn(one.shape, generator=g, dtype=torch.float64) for one in known]
    weights = [0.5 * (one + one.mT) if one.dim() == 4 else one for one in weights]
    slopes = []
    for run in (known, found):
        total = torch.stack([(weight * one).sum() for weight, one in zip(weights, run, strict=True)]).sum()
        slopes.append(torch.autograd.grad(total, [*model.leaves.values()], allow_unused=True, materialize_grads=True))
    for ours, theirs in zip(found, known, strict=True):
        close(ours, theirs)
    for name, ours, theirs in zip(model.leaves, *slopes, strict=True):
        if name in ("covariance", "noise", "noises"):
            # How the gradient of a symmetric matrix is split between (i, j) and (j, i) means nothing.
            close(ours + ours.mT, theirs + theirs.mT)
        else:
            close(ours, theirs)


def test_covariances_stay_positive_definite_where_much_is_missing_and_noise_is_small() -> None:
    length = 1000
    model = random_model(length, 3)
    gaps = torch.zeros(3, length, dtype=torch.bool)
    gaps[:, 100:160] = True
    tight = model._replace(missing=gaps, noise=1e-8 * model.noise, noises=1e-8 * model.noises)
    with torch.no_grad():
        run = by_scan(tight)
        for belief in (run.filtered, run.predicted, smooth_parallel(run)):
            assert torch.equal(belief.covariance, belief.covariance.mT) or belief is run.predicted
            assert float(torch.linalg.eigvalsh(belief.covariance).min()) > 0
        known = by_loop(tight)
        relative = (run.filtered.covariance - known.filtered.covariance).abs().amax((-1, -2))
        assert bool((relative <= 1e-6 * known.filtered.covariance.abs().amax((-1, -2))).all())


def test_the_smoother_is_the_joint_gaussians_marginals() -> None:
    """Against the full covariance of z_1:T: no recursion at all."""
    system = random_system()
    present = torch.tensor([True, False, True, True, False, True])
    expected_mean, expected_covariance, _ = joint(system, present)
    controls = torch.ones(*system.offsets.shape[:2], 1, dtype=torch.float64)
    missing = (~present).expand(len(system.mean), -1)
    prior, dynamics = (
        Belief(system.mean, system.covariance),
        torch.cat((system.transitions, system.offsets[..., None]), -1),
    )
    run = filter_parallel(
        prior, system.observations, controls, system.emission, system.emission_noise, dynamics, system.noises, missing
    )
    smoothed = smooth_parallel(run)
    size = system.mean.shape[-1]
    close(smoothed.mean.flatten(1), expected_mean)
    for t in range(len(present)):
        rows = slice(t * size, (t + 1) * size)
        close(smoothed.covariance[:, t], expected_covariance[:, rows, rows])


def random_elements(kind: type[Forward] | type[Backward], length: int) -> Forward | Backward:
    g = torch.Generator().manual_seed(7)
    square = torch.randn(2, length, 3, 3, generator=g, dtype=torch.float64)
    vector = torch.randn(2, 2, length, 3, generator=g, dtype=torch.float64)
    covariance, precision = random_covariance(2, 2, length, 3, generator=g)
    if kind is Backward:
        return Backward(square, vector[0], covariance)
    return Forward(square, vector[0], covariance, vector[1], precision)


@pytest.mark.parametrize("kind", [Forward, Backward])
def test_joining_is_associative(kind: type[Forward] | type[Backward]) -> None:
    one, two, three = (kind(*(part[:, n : n + 1] for part in random_elements(kind, 3))) for n in range(3))
    join = join_forward if kind is Forward else join_backward
    left, right = join(join(one, two), three), join(one, join(two, three))  # type: ignore[arg-type]
    for ours, theirs in zip(left, right, strict=True):
        close(ours, theirs)


class Words(NamedTuple):
    """Affine maps of a number: joining them does not commute."""

    factor: Tensor
    offset: Tensor


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 9, 100])
def test_a_scan_joins_in_order_and_in_few_rounds(length: int) -> None:
    g = torch.Generator().manual_seed(length)
    words = Words(*torch.randn(2, 3, length, generator=g, dtype=torch.float64))
    rounds = 0

    def join(first: Words, second: Words) -> Words:
        nonlocal rounds
        rounds += 1
        return Words(first.factor * second.factor, second.factor * first.offset + second.offset)

    found = prefixes(join, words)
    assert rounds <= 2 * max(0, length - 1).bit_length()
    back = suffixes(join, words)
    for start, end, one in [(0, t, found) for t in range(length)] + [(t, length - 1, back) for t in range(length)]:
        expected = Words(words.factor[:, start], words.offset[:, start])
        for t in range(start + 1, end + 1):
            expected = join(expected, Words(words.factor[:, t], words.offset[:, t]))
        place = end if one is found else start
        for ours, known in zip((one.factor[:, place], one.offset[:, place]), expected, strict=True):
            torch.testing.assert_close(ours, known, rtol=1e-10, atol=1e-10)


def iterated_case(length: int) -> tuple[LocallyLinearTransition, Belief, Tensor, Tensor, Tensor, Tensor, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transition = LocallyLinearTransition(3, 1, 4, (8,)).double()
    g = torch.Generator().manual_seed(1)
    observations = torch.randn(2, length, 2, generator=g, dtype=torch.float64).cumsum(1) * 0.1
    controls = torch.randn(2, length - 1, 1, generator=g, dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    missing = torch.rand(2, length, generator=g) < 0.2
    return (
        transition,
        Belief(torch.zeros(2, 3).double(), eye.expand(2, 3, 3)),
        observations,
        controls,
        eye[:2],
        0.1 * eye[:2, :2],
        missing,
    )


def test_the_iterated_filter_settles_at_the_loops_pass() -> None:
    transition, prior, observations, controls, emission, noise, missing = iterated_case(300)
    with torch.no_grad():
        weights = transition.weights(torch.float64)
        inputs = weights.gate_input(controls)
        known = filter_all(
            prior,
            observations,
            controls,
            [emission] * 300,
            noise,
            lambda t, mean: weights.linearise(mean, inputs[:, t]),
            missing,
        )
        found = filter_iterated(
            prior,
            observations,
            controls,
            emission,
            noise,
            lambda states: weights.linearise(states, inputs.flatten(0, 1)),
            missing,
        )
        assert found is not None
        for ours, theirs in zip(
            [*found.filtered, *found.predicted, *found[2:]],
            [*known.filtered, *known.predicted, *known[2:]],
            strict=True,
        ):
            close(ours, theirs)


def test_what_does_not_settle_says_so() -> None:
    transition, prior, observations, controls, emission, noise, missing = iterated_case(30)
    weights = transition.weights(torch.float64)
    inputs = weights.gate_input(controls).flatten(0, 1)
    found = filter_iterated(
        prior, observations, controls, emission, noise, lambda states: weights.linearise(states, inputs), missing, 2
    )
    assert found is None


def test_a_model_smooths_a_long_recording_to_the_same_by_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = EKVAESettings(base_matrices=4, hidden=(8,), gate_hidden=(8,), prior_hidden=(4,))
        model = EKVAE(DataSpec((4,), "float32", 1, (1.0,)), sizes)
    g = torch.Generator().manual_seed(1)
    observations, actions = torch.randn(2, 400, 4, generator=g).cumsum(1) * 0.1, torch.randn(2, 399, 1, generator=g)
    with torch.no_grad():
        known = model.smooth(observations, actions)
        model.use_backend(backend_named("parallel"))
        # A loop would also give the same, and say nothing of the scan.
        monkeypatch.setattr(Reference, "filter", None)
        found = model.smooth(observations, actions)
    for ours, theirs in zip(found, known, strict=True):
        close(ours, theirs)
