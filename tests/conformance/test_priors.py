"""One contract for every initial distribution: whatever stands in ``PRIORS`` is held to it.

Each check takes an entry, as ``PRIORS`` holds it, so that a prior of your own goes through them too; the toys at the
end do, and those that break a promise are found out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from latentrl.numerics.distributions import diagonal_log_prob, standard_normal_like
from latentrl.priors import PRIORS
from latentrl.priors.base import InitialDistribution
from latentrl.priors.standard_normal import StandardNormal

Entry = Callable[[int, Sequence[int]], InitialDistribution]
HIDDEN = (8,)

MIRROR = torch.diag(torch.tensor([1.0, -1.0, 1.0]))
SHEAR = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.7, -0.4, 1.0]])
"""What fixing the velocity of a model does: a velocity minus what the positions tell of it."""
TURN = torch.tensor([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
SWAP = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
COORDINATES = {"mirror": MIRROR, "shear": SHEAR, "both": MIRROR @ SHEAR, "turn": TURN, "swap": SWAP}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(entry: Entry, size: int = 3) -> InitialDistribution:
    """A prior as training might have it: no two dimensions alike, whatever has parameters."""
    torch.manual_seed(0)
    prior = entry(size, HIDDEN)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=seeded(7)))
    return prior


def check_samples(entry: Entry) -> None:
    """``[count, Dz]``, float32, from the generator and from nothing else."""
    for size in (1, 4):
        prior = made(entry, size)
        assert prior.size == size
        before = torch.random.get_rng_state()
        first, again, other = (prior.sample(7, seeded(seed)) for seed in (1, 1, 2))
        assert torch.equal(before, torch.random.get_rng_state()), "a generator was given"
        assert first.shape == (7, size) and first.dtype == torch.float32 and first.isfinite().all()
        assert torch.equal(first, again) and not torch.equal(first, other)
        assert prior.sample(0, seeded()).shape == (0, size)
        assert (prior.sample(200, seeded()).std(0) > 0).all(), "a distribution, not a point"


def check_bounds(entry: Entry) -> None:
    """``[...]`` for any leading shape, from the generator alone; gradients reach the state and every parameter."""
    prior = made(entry)
    for shape in ((), (5,), (2, 3)):
        for samples in (1, 4):
            bound = prior.bound(torch.randn(*shape, 3, generator=seeded()), seeded(), samples)
            assert bound.shape == torch.Size(shape) and bound.isfinite().all()
    state = torch.randn(6, 3, generator=seeded()).requires_grad_()
    before = torch.random.get_rng_state()
    first, again = (prior.bound(state, seeded(1)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state()) and torch.equal(first, again)
    first.sum().backward()
    for name, tensor in (("the state", state), *prior.named_parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0, name


@torch.no_grad()
def check_bounds_lie_below_the_density(entry: Entry) -> None:
    """Against a histogram of the prior's own samples, and the more samples the tighter.

    In each bin the mean bound of points spread evenly is at most log of the mean density (Jensen), which is the share
    of samples that fall into the bin over its width.
    """
    prior, draws, points = made(entry, 1), 200_000, 40
    drawn = prior.sample(draws, seeded()).flatten()
    edges = torch.quantile(drawn[:50_000], torch.linspace(0.02, 0.98, 13))
    counts = torch.histogram(drawn, edges)[0]
    log_density = (counts / draws / edges.diff()).log()
    places = edges[:-1, None] + edges.diff()[:, None] * (torch.arange(points) + 0.5) / points
    loose = prior.bound(places[..., None].expand(200, -1, -1, -1), seeded()).mean((0, 2))
    tight = torch.stack([prior.bound(places[..., None], seeded(s), samples=1000) for s in range(4)]).mean((0, 2))
    # Four standard errors of a bin's count.
    error = 4 / counts.sqrt()
    assert (loose <= log_density + error).all(), (loose - log_density, error)
    assert (tight <= log_density + error).all(), (tight - log_density, error)
    assert (tight >= loose - error).all(), "importance weights can only help"


@torch.no_grad()
def check_coordinates(entry: Entry) -> None:
    """After ``change_coordinates(T)`` it is the distribution of T z; or it refuses, and stays what it was."""
    states = torch.randn(50, 3, generator=seeded())
    for name, gauge in COORDINATES.items():
        prior = made(entry)
        before, drawn = prior.bound(states, seeded(1), samples=4), prior.sample(20_000, seeded(2))
        try:
            prior.change_coordinates(gauge.double())
        except ValueError:
            assert torch.equal(prior.bound(states, seeded(1), samples=4), before), f"{name}: refused, yet changed"
            continue
        now = prior.bound(states @ gauge.T, seeded(1), samples=4)
        assert torch.allclose(now, before, rtol=1e-4, atol=1e-4), f"{name}: densities, by {(now - before).abs().max()}"
        moved, expected = prior.sample(20_000, seeded(3)), drawn @ gauge.T
        spread = expected.std(0)
        gap = (moved.mean(0) - expected.mean(0)) / spread
        assert gap.abs().max() < 0.05, f"{name}: the mean of samples, by {gap}"
        correlations = [((z - z.mean(0)) / spread).T.cov() for z in (moved, expected)]
        assert (correlations[0] - correlations[1]).abs().max() < 0.1, f"{name}: the covariance of samples"


def check_mirrors_are_taken(entry: Entry) -> None:
    """Training mirrors the velocities of any model: which way they point is free."""
    made(entry).change_coordinates(MIRROR.double())


@torch.no_grad()
def check_fresh(entry: Entry) -> None:
    """One of the same kind with other weights, which can take over the coordinates; None where nothing is learned."""
    prior = made(entry)
    stored = {name: tensor.clone() for name, tensor in prior.state_dict().items()}
    fresh = prior.fresh()
    if fresh is None:
        assert not list(prior.parameters()), "there are weights to begin afresh with"
        return
    shapes = [{name: tensor.shape for name, tensor in one.state_dict().items()} for one in (prior, fresh)]
    assert type(fresh) is type(prior) and fresh.size == prior.size and shapes[0] == shapes[1]
    assert any(not torch.equal(new, old) for new, old in zip(fresh.parameters(), prior.parameters(), strict=True))
    states = torch.randn(20, 3, generator=seeded())
    before = fresh.bound(states, seeded(1), samples=4)
    prior.change_coordinates(MIRROR.double())
    fresh.take_coordinates(prior)
    assert torch.allclose(fresh.bound(states @ MIRROR.T, seeded(1), samples=4), before, rtol=1e-4, atol=1e-4)
    parameters = dict(prior.named_parameters())
    assert all(torch.equal(tensor, stored[name]) for name, tensor in parameters.items()), "its own weights stay"


@torch.no_grad()
def check_files(entry: Entry) -> None:
    """What ``state_dict`` holds is all there is, coordinates included."""
    first, second = made(entry), entry(3, HIDDEN)
    first.change_coordinates(MIRROR.double())
    second.load_state_dict(first.state_dict())
    states = torch.randn(5, 3, generator=seeded())
    assert torch.equal(first.sample(5, seeded()), second.sample(5, seeded()))
    assert torch.equal(first.bound(states, seeded()), second.bound(states, seeded()))


CHECKS: tuple[Callable[[Entry], None], ...] = (
    check_samples,
    check_bounds,
    check_bounds_lie_below_the_density,
    check_coordinates,
    check_mirrors_are_taken,
    check_fresh,
    check_files,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(PRIORS))
def test_every_prior_keeps_the_contract(name: str, check: Callable[[Entry], None]) -> None:
    check(PRIORS[name])


class Scaled(InitialDistribution):
    """A prior of one's own: N(0, diag(s^2)) with learned s; it can be mirrored and no more."""

    def __init__(self, size: int, hidden: Sequence[int] = ()) -> None:
        super().__init__()
        self.size = size
        self.log_scale = torch.nn.Parameter(0.1 * torch.randn(size))

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return diagonal_log_prob(state, torch.zeros_like(state), (2 * self.log_scale).exp().expand_as(state))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return self.log_scale.exp() * standard_normal_like(self.log_scale.new_zeros(count, self.size), generator)

    def change_coordinates(self, gauge: Tensor) -> None:
        if not torch.equal(gauge.abs(), torch.eye(self.size).to(gauge)):
            raise ValueError("scales belong to their dimensions")

    def fresh(self) -> InitialDistribution | None:
        return type(self)(self.size)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_prior_of_ones_own_goes_through(check: Callable[[Entry], None]) -> None:
    check(Scaled)


class Unseeded(Scaled):
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return super().sample(count)


class Boastful(Scaled):
    """Half a nat more than there is."""

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return super().bound(state) + 0.5


class Loosening(Scaled):
    """The more samples, the worse."""

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return super().bound(state) - math.log(samples)


class Detached(Scaled):
    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        return super().bound(state).detach() + 0 * state.sum(-1)


class Indifferent(Scaled):
    """Says that it has changed, and has not."""

    def change_coordinates(self, gauge: Tensor) -> None:
        return


class HalfTurned(Scaled):
    """Refuses, but only after it has changed."""

    def change_coordinates(self, gauge: Tensor) -> None:
        with torch.no_grad():
            self.log_scale.add_(1.0)
        raise ValueError("too late")


class Stale(Scaled):
    """Hands out itself for a new one."""

    def fresh(self) -> InitialDistribution | None:
        return self


class Forgetful(StandardNormal):
    """Its mean is in no file."""

    def __init__(self, size: int, hidden: Sequence[int] = ()) -> None:
        super().__init__(size)
        self.mean = torch.rand(())

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return super().sample(count, generator) + self.mean


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (check_samples, Unseeded),
        (check_bounds, Detached),
        (check_bounds_lie_below_the_density, Boastful),
        (check_bounds_lie_below_the_density, Loosening),
        (check_coordinates, Indifferent),
        (check_coordinates, HalfTurned),
        (check_fresh, Stale),
        (check_files, Forgetful),
    ],
)
def test_a_broken_promise_is_found_out(check: Callable[[Entry], None], broken: Entry) -> None:
    with pytest.raises(AssertionError):
        check(broken)


def test_a_prior_that_cannot_be_mirrored_is_found_out() -> None:
    with pytest.raises(ValueError, match="too late"):
        check_mirrors_are_taken(HalfTurned)
