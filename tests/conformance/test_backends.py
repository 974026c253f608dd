"""Every backend gives the reference's numbers and gradients in float64."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from latentrl.inference.backends import (
    BACKENDS,
    NEEDS,
    Backend,
    Emission,
    Mixture,
    StateSpace,
    backend_named,
    is_installed,
)
from latentrl.inference.kalman import Filtered
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.transitions.locally_linear import LocallyLinearTransition
from latentrl.types import Belief

CLOSE = 1e-9
"""Relative or absolute."""


@dataclass(frozen=True)
class Case:
    """Sizes of a problem; ``missing`` is nothing, frames or dimensions."""

    batch: int = 11
    length: int = 6
    state: int = 3
    observed: int = 2
    controls: int = 1
    base: int = 5
    hidden: tuple[int, ...] = (7,)
    missing: str = ""
    coupled: bool = False
    turned: bool = False
    shared: bool = False
    constant: bool = False
    ineffective: bool = False


CASES = {
    "batch 11, length 6": Case(),
    "one block": Case(batch=8),
    "one sequence": Case(batch=1),
    "one step": Case(length=1),
    "two steps": Case(length=2),
    "one dimension": Case(state=1, observed=1),
    "all observed": Case(state=2, observed=2, controls=3),
    "large": Case(batch=17, length=9, state=6, observed=3, controls=2, base=16, hidden=(32,)),
    "two hidden layers": Case(hidden=(9, 6)),
    "three hidden layers": Case(hidden=(4, 9, 6)),
    "no hidden layer": Case(hidden=()),
    "missing frames": Case(missing="frames"),
    "missing dimensions": Case(missing="dimensions", observed=3),
    "missing dimensions, coupled noise": Case(missing="dimensions", observed=3, coupled=True),
    "one prior for all": Case(shared=True),
    "one emission for all": Case(constant=True, shared=True),
    "another gauge": Case(turned=True),
    "controls without effect": Case(ineffective=True),
}


class Problem:
    """Random numbers of a case, all of them leaves that gradients are asked for."""

    def __init__(self, case: Case) -> None:
        self.generator = torch.Generator().manual_seed(1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.transition = LocallyLinearTransition(case.state, case.controls, case.base, case.hidden).double()
        with torch.no_grad():
            for parameter in self.transition.parameters():
                parameter.add_(0.3 * self.normal(*parameter.shape))
            if case.ineffective:
                self.transition.control_matrices.zero_()
                first = self.transition.gate[0]
                assert isinstance(first, torch.nn.Linear)
                first.weight[:, case.state :] = 0
            if case.turned:
                gauge = torch.eye(case.state, dtype=torch.float64)
                gauge[1:, 0] = 0.4
                self.transition.gauge.copy_(gauge)
        self.controls = self.normal(case.batch, case.length - 1, case.controls)
        self.emission = torch.eye(case.observed, case.state, dtype=torch.float64)
        self.observations = self.normal(case.batch, case.length, case.observed).requires_grad_()
        self.missing: Tensor | None = None
        if case.missing:
            shape = self.observations.shape if case.missing == "dimensions" else self.observations.shape[:2]
            self.missing = torch.rand(shape, generator=self.generator) < 0.4
            with torch.no_grad():
                self.observations[self.missing] = torch.nan
        noise = 0.1 + torch.rand(case.observed, generator=self.generator, dtype=torch.float64)
        self.noise = noise.diag()
        if case.coupled:
            self.noise = self.noise + 0.05
        self.noise.requires_grad_()
        self.constant = case.constant
        started = 1 if case.shared else case.batch
        self.mean = self.normal(started, case.state).requires_grad_()
        factor = self.normal(started, case.state, case.state)
        self.covariance = (factor @ factor.mT + torch.eye(case.state, dtype=torch.float64)).requires_grad_()

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    @property
    def leaves(self) -> list[Tensor]:
        return [self.observations, self.noise, self.mean, self.covariance, *self.transition.parameters()]

    def run(self, backend: Backend, weights: Mixture) -> Filtered:
        prior, emission = Belief(self.mean, self.covariance), Emission(self.emission, self.noise)
        return backend.filter(prior, self.observations, self.controls, emission, weights, self.missing)


def flat(run: Filtered) -> list[Tensor]:
    return [*run.filtered, *run.predicted, run.transitions, run.noises]


def filtered(problem: Problem, backend: Backend) -> list[Tensor]:
    return flat(problem.run(backend, backend.mixture(problem.transition)))


def smoothed(problem: Problem, backend: Backend) -> list[Tensor]:
    return list(backend.smooth(problem.run(backend, backend.mixture(problem.transition))))


def paths(problem: Problem, backend: Backend) -> list[Tensor]:
    return list(
        backend.sample_paths(
            problem.run(backend, backend.mixture(problem.transition)), torch.Generator().manual_seed(3)
        )
    )


def densities(problem: Problem, backend: Backend) -> list[Tensor]:
    weights = backend.mixture(problem.transition)
    states = backend.sample_paths(problem.run(backend, weights), torch.Generator().manual_seed(3)).states
    observed = torch.where(problem.observations.isnan(), 0.0, problem.observations)
    noise = problem.noise.diagonal()
    return list(backend.log_densities(weights, states, problem.controls, observed, noise))


def moments(problem: Problem, backend: Backend) -> list[Tensor]:
    weights = backend.mixture(problem.transition)
    states = problem.run(backend, weights).filtered.mean[:, :-1]
    return list(backend.moments(weights, states, problem.controls))


def linear(problem: Problem, backend: Backend) -> list[Tensor]:
    """With given matrices, each sequence's and step's own; nothing is missing."""
    count, steps, size = *problem.controls.shape[:2], problem.mean.shape[-1]
    observed = torch.where(problem.observations.isnan(), 0.0, problem.observations)
    dynamics = 0.3 * problem.normal(count, steps, size, size + problem.controls.shape[2])
    dynamics = dynamics * problem.mean.mean() + dynamics
    emissions = problem.emission + 0.2 * problem.normal(*observed.shape, size) * problem.noise.sum()
    if problem.constant:
        emissions = problem.emission * problem.noise.sum()
    noises = (0.5 * problem.normal(count, steps, size) + problem.mean.mean()).exp()
    prior = Belief(problem.mean, problem.covariance)
    run = backend.filter_linear(prior, observed, problem.controls, emissions, problem.noise, dynamics, noises)
    return [*flat(run), *backend.smooth(run)]


def space(problem: Problem) -> StateSpace:
    """With the problem's covariances as logarithms of variances; observations that are not there are zero."""
    variance = problem.covariance.diagonal(dim1=-2, dim2=-1).mean(0)
    return StateSpace(
        problem.transition, problem.mean.mean(0), variance.log(), problem.emission, problem.noise.diagonal().log()
    )


def observed(problem: Problem) -> Tensor:
    return torch.where(problem.observations.isnan(), 0.0, problem.observations)


def joint(problem: Problem, backend: Backend) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return list(backend.joint(space(problem), observed(problem), problem.controls, generator))


def from_smoother(problem: Problem, backend: Backend) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return list(backend.marginals(space(problem), observed(problem), problem.controls, True, generator))


def from_filter(problem: Problem, backend: Backend) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return list(backend.marginals(space(problem), observed(problem), problem.controls, False, generator))


def both(problem: Problem, backend: Backend) -> list[Tensor]:
    filtered, smoothed = backend.filter_and_smooth(space(problem), observed(problem), problem.controls)
    return [*filtered, *smoothed]


def chain(problem: Problem, backend: Backend) -> list[Tensor]:
    """Its factors are made of the problem's observations, so that they get gradients."""
    shape = (*problem.controls.shape[:2], problem.mean.shape[-1])
    seen = observed(problem).sum(-1)[:, 1:, None]
    means = problem.normal(*shape) + 0.3 * seen
    factors = DiagonalGaussian(means, (problem.normal(*shape) + 0.2 * seen * problem.noise.sum()).exp())
    first = problem.mean.expand(len(seen), -1)
    generator = torch.Generator().manual_seed(3)
    return list(backend.sample_chain(problem.transition, first, factors, problem.controls, generator))


WORK = {
    "filter": filtered,
    "linear": linear,
    "smoother": smoothed,
    "paths": paths,
    "densities": densities,
    "moments": moments,
    "joint": joint,
    "marginals of the smoother": from_smoother,
    "marginals of the filter": from_filter,
    "chain": chain,
    "filter and smoother": both,
}


def backend_or_skip(name: str) -> Backend:
    if not is_installed(name):
        module, extra = NEEDS[name]
        pytest.skip(f"{module} is not installed: pip install '{extra}'")
    return backend_named(name)


def symmetric(gradient: Tensor) -> Tensor:
    """A covariance moves symmetrically; how a gradient is split between (i, j) and (j, i) means nothing."""
    square = gradient.dim() > 1 and gradient.shape[-1] == gradient.shape[-2]
    return 0.5 * (gradient + gradient.mT) if square else gradient


def results(name: str, work: str, case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """What a backend finds, and gradients of a random sum of it."""
    problem = Problem(case)
    found = WORK[work](problem, backend_or_skip(name))
    generator = torch.Generator().manual_seed(4)
    weights = [torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in found]
    # Covariances are symmetric, and so is what they are weighed with.
    total = sum(((symmetric(w) if w.dim() == 4 else w) * one).sum() for w, one in zip(weights, found, strict=True))
    assert isinstance(total, Tensor)
    if not total.requires_grad:
        return found, []
    gradients = torch.autograd.grad(total, problem.leaves, allow_unused=True, materialize_grads=True)
    shared = 4  # what comes before the transition's parameters
    return found, [symmetric(g) if place < shared else g for place, g in enumerate(gradients)]


@cache
def of_the_reference(work: str, case: str) -> tuple[list[Tensor], list[Tensor]]:
    """Its results, for all others."""
    found, gradients = results("reference", work, CASES[case])
    return [one.detach() for one in found], gradients


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
def test_numbers_and_gradients_are_the_references(name: str, work: str, case: str) -> None:
    found, expected = results(name, work, CASES[case]), of_the_reference(work, case)
    for ours, known in zip(found[0], expected[0], strict=True):
        torch.testing.assert_close(ours, known, rtol=CLOSE, atol=CLOSE)
    for ours, known in zip(found[1], expected[1], strict=True):
        assert torch.isfinite(known).all()
        scale = max(1.0, float(known.abs().max())) if known.numel() else 1.0
        torch.testing.assert_close(ours, known, rtol=CLOSE, atol=CLOSE * scale)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_stands_in_for_missing_dimensions_leaks_nowhere(name: str) -> None:
    """The belief is that of a model that observes the seen dimensions alone."""
    case = Case(observed=2, length=4)
    problem, backend = Problem(case), backend_or_skip(name)
    weights = backend.mixture(problem.transition)
    missing = torch.zeros_like(problem.observations, dtype=torch.bool)
    missing[..., 1] = True
    with torch.no_grad():
        problem.observations[..., 1] = torch.nan
        prior = Belief(problem.mean, problem.covariance)
        found = backend.filter(
            prior, problem.observations, problem.controls, Emission(problem.emission, problem.noise), weights, missing
        )
        one = Emission(problem.emission[:1], problem.noise[:1, :1])
        alone = backend.filter(prior, problem.observations[..., :1], problem.controls, one, weights)
    for ours, known in zip(flat(found), flat(alone), strict=True):
        torch.testing.assert_close(ours, known, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_same_bits_twice(name: str) -> None:
    first, second = (results(name, "paths", Case()) for _ in range(2))
    for one, other in zip([*first[0], *first[1]], [*second[0], *second[1]], strict=True):
        assert torch.equal(one, other)
