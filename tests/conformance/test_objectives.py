"""One contract for every objective: whatever stands in ``OBJECTIVES`` is held to it.

Each check takes an entry, as ``OBJECTIVES`` holds it, and what is expected of it where objectives may differ, so that
one of your own goes through them too; the toys at the end do, and those that break a promise are found out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
import torch

from latentrl.objectives import OBJECTIVES
from latentrl.objectives.annealing import Annealing
from latentrl.objectives.base import Objective, ObjectiveSettings
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.geco import GECO
from latentrl.objectives.rewo import REWO
from latentrl.types import RateDistortion

Entry = Callable[[ObjectiveSettings], Objective]
SETTINGS = ObjectiveSettings(bound=9e-4, annealing_steps=20)
GROUPS = {"encoder", "decoder", "emission_noise", "transition", "noise", "prior"}
"""The roles of a model's parameters: see ``WorldModel.parameter_groups``."""


@dataclass(frozen=True)
class Expectation:
    """What the contract asks of one objective where objectives may differ.

    Attributes:
        limits: smallest and largest beta.
        constrained: beta follows the error: down while it is above the bound, up while it is below. Where not, beta
            does not depend on it, and never falls.
    """

    limits: tuple[float, float]
    constrained: bool


EXPECTATIONS: dict[str, Expectation] = {
    "elbo": Expectation((1.0, 1.0), constrained=False),
    "annealing": Expectation((0.0, 1.0), constrained=False),
    "geco": Expectation((1e-6, 1e2), constrained=True),
    "rewo": Expectation((0.0, 1.0), constrained=True),
    "reciprocal": Expectation((0.0, 1.0), constrained=True),
}


def expectation(name: str) -> Expectation:
    """That of an objective; of one not named above, what it says itself: with a bound it is constrained."""
    constrained = not math.isnan(OBJECTIVES[name](SETTINGS).bound)
    return EXPECTATIONS.get(name, Expectation((0.0, math.inf), constrained))


def terms(error: float, rate: float = 2.0, distortion: float = 3.0) -> RateDistortion:
    return RateDistortion(torch.full((4,), rate), torch.full((4,), distortion), torch.full((4,), error))


def betas(objective: Objective, error: float, updates: int) -> list[float]:
    """beta after each of ``updates`` of the same error."""
    path = []
    for _ in range(updates):
        objective.update(terms(error))
        path.append(float(objective.beta))
    return path


def check_loss(entry: Entry, expected: Expectation) -> None:
    """The mean of distortion + beta * rate, whatever beta is by now, and its gradients."""
    objective, g = entry(SETTINGS), torch.Generator().manual_seed(0)
    for updates in range(4):
        rate, distortion = (torch.randn(5, generator=g).requires_grad_() for _ in range(2))
        batch = RateDistortion(rate, distortion, torch.rand(5, generator=g))
        loss = objective.loss(batch)
        wanted = (
            sum(
                float(d) + float(objective.beta) * float(r)
                for r, d in zip(rate.detach(), distortion.detach(), strict=True)
            )
            / 5
        )
        assert loss.shape == () and float(loss.detach()) == pytest.approx(wanted, rel=1e-5, abs=1e-6), updates
        loss.backward()
        assert rate.grad is not None and distortion.grad is not None
        torch.testing.assert_close(rate.grad, torch.full((5,), float(objective.beta) / 5))
        torch.testing.assert_close(distortion.grad, torch.full((5,), 1 / 5))
        objective.update(batch)


def check_update_keeps_to_the_numbers(entry: Entry, expected: Expectation) -> None:
    """An update reads values: a graph that is still to be gone back through stays as it is, and so do the terms."""
    objective, error = entry(SETTINGS), torch.rand(5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    batch = RateDistortion(2 * error, 3 * error, error.square())
    copies = [term.detach().clone() for term in batch]
    loss = objective.loss(batch)
    objective.update(batch)
    loss.backward()
    assert error.grad is not None and error.grad.isfinite().all()
    assert all(torch.equal(term, copy) for term, copy in zip(batch, copies, strict=True))
    for number in (objective.beta, objective.constraint):
        assert torch.as_tensor(number).shape == () and not torch.as_tensor(number).requires_grad


def check_limits(entry: Entry, expected: Expectation) -> None:
    """beta stays within its limits whatever the errors are, and comes back from them."""
    smallest, largest = expected.limits
    for errors in ((1e9, 0.0, 1e9), (0.0, 1e9, 0.0), (1e-12, 1e3), (SETTINGS.bound, 2 * SETTINGS.bound)):
        objective = entry(SETTINGS)
        path = [float(objective.beta)] + [beta for error in errors for beta in betas(objective, error, 200)]
        assert all(math.isfinite(beta) for beta in path)
        assert min(path) >= smallest * (1 - 1e-9) and max(path) <= largest * (1 + 1e-9), (min(path), max(path))


def check_direction(entry: Entry, expected: Expectation) -> None:
    """Constrained: down while the error is above the bound, up once it is below. Else: never down, for any error."""
    objective = entry(SETTINGS)
    start = float(objective.beta)
    falling = betas(objective, 10 * SETTINGS.bound, 30)
    if not expected.constrained:
        assert falling == betas(entry(SETTINGS), 0.1 * SETTINGS.bound, 30), "the error is no concern of it"
        assert all(later >= earlier for earlier, later in zip(falling, falling[1:], strict=False))
        return
    assert objective.bound == SETTINGS.bound
    assert all(later < earlier for earlier, later in zip([start, *falling], falling, strict=False))
    # The error is smoothed: it takes some updates until the average is below the bound.
    rising = betas(objective, 0.1 * SETTINGS.bound, 80)
    turn = rising.index(min(rising))
    assert turn < 40 and rising[-1] > rising[turn]
    assert all(later >= earlier for earlier, later in zip(rising[turn:], rising[turn + 1 :], strict=False))


def check_constraint(entry: Entry, expected: Expectation) -> None:
    """What is logged as the error is the mean over the batch, smoothed or not."""
    objective = entry(SETTINGS)
    objective.update(terms(0.5)._replace(error=torch.tensor([0.1, 0.2, 0.3, 0.4])))
    assert float(objective.constraint) == pytest.approx(0.25)
    betas(objective, 0.04, 400)
    assert float(objective.constraint) == pytest.approx(0.04, rel=1e-3)


def check_state(entry: Entry, expected: Expectation) -> None:
    """A training goes on from a checkpoint, which is JSON numbers, as if it had not stopped; at any time."""
    for done in (0, 1, 5, 60):
        first, second = entry(SETTINGS), entry(SETTINGS)
        betas(first, 5 * SETTINGS.bound, done)
        betas(first, 0.01 * SETTINGS.bound, done)
        state = first.state()
        assert all(type(value) is float for value in state.values())
        second.load_state(json.loads(json.dumps(state)))
        for error in (3 * SETTINGS.bound, 0.5 * SETTINGS.bound, 0.0):
            assert first.frozen() == second.frozen()
            assert betas(first, error, 5) == betas(second, error, 5)
        assert json.dumps(first.state()) == json.dumps(second.state())


def check_shares_say_what_is_frozen(entry: Entry, expected: Expectation) -> None:
    """What the learning rates are multiplied with on the device is what people are told, at every update."""
    objective = entry(SETTINGS)
    for error in (10 * SETTINGS.bound, 0.0, 10 * SETTINGS.bound):
        for _ in range(40):
            shares = {group: float(share) for group, share in objective.shares().items()}
            assert set(shares.values()) <= {0.0, 1.0}
            assert {group for group, share in shares.items() if share == 0} == objective.frozen()
            objective.update(terms(error))


def check_frozen(entry: Entry, expected: Expectation) -> None:
    """Roles of parameters; encoder and decoder learn from the first step, everything once the error has been small."""
    objective = entry(SETTINGS)
    for _ in range(3):
        assert objective.frozen() <= GROUPS - {"encoder", "decoder"}
        betas(objective, 10 * SETTINGS.bound, 10)
    betas(objective, 0.0, 100)
    assert objective.frozen() == frozenset()


CHECKS: tuple[Callable[[Entry, Expectation], None], ...] = (
    check_loss,
    check_update_keeps_to_the_numbers,
    check_limits,
    check_direction,
    check_constraint,
    check_state,
    check_frozen,
    check_shares_say_what_is_frozen,
)


def test_the_objectives_of_this_package_have_their_expectations() -> None:
    assert EXPECTATIONS.keys() <= OBJECTIVES.keys()
    assert all(expectation(name).constrained is known.constrained for name, known in EXPECTATIONS.items())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_keeps_the_contract(name: str, check: Callable[[Entry, Expectation], None]) -> None:
    check(OBJECTIVES[name], expectation(name))


class Proportional(Objective):
    """An objective of one's own: log beta falls by the relative violation of the last batch alone."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        self.bound = settings.bound

    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())
        step = 0.1 * max(-1.0, min(1.0, self.constraint / self.bound - 1))
        self.beta = min(1.0, max(1e-4, self.beta * math.exp(-step)))


OWN = Expectation((1e-4, 1.0), constrained=True)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_objective_of_ones_own_goes_through(check: Callable[[Entry, Expectation], None]) -> None:
    check(Proportional, OWN)


class Backwards(Proportional):
    def update(self, terms: RateDistortion) -> None:
        super().update(terms._replace(error=self.bound**2 / terms.error.clamp(min=1e-9)))


class Unbounded(Proportional):
    def update(self, terms: RateDistortion) -> None:
        self.constraint = float(terms.error.detach().mean())
        self.beta *= math.exp(-0.1 * max(-1.0, min(1.0, self.constraint / self.bound - 1)))


class Summing(Proportional):
    def loss(self, terms: RateDistortion) -> torch.Tensor:
        return (terms.distortion + self.beta * terms.rate).sum()


class Clinging(Proportional):
    """Keeps the graph of every batch."""

    def update(self, terms: RateDistortion) -> None:
        super().update(terms)
        self.constraint = terms.error.mean()


class Forgetful(Annealing):
    """A checkpoint without the count of updates."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        super().__init__(settings.annealing_steps)

    def state(self) -> dict[str, float]:
        return {"beta": float(self.beta), "constraint": float(self.constraint)}

    def load_state(self, state: Mapping[str, float]) -> None:
        self.beta, self.constraint = state["beta"], state["constraint"]


class Freezing(Proportional):
    def frozen(self) -> frozenset[str]:
        return frozenset({"transition", "psi"})


class Stuck(REWO):
    """The first phase never ends."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        super().__init__(settings.bound)

    def update(self, terms: RateDistortion) -> None:
        super().update(terms)
        self.initial_phase = torch.tensor(True)


class SaysOtherwise(REWO):
    """It trains everything from the first step, and tells people that it does not."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        super().__init__(settings.bound)

    def shares(self) -> Mapping[str, float]:
        return {}


class FirstOfTheBatch(Proportional):
    def update(self, terms: RateDistortion) -> None:
        super().update(terms._replace(error=terms.error[:1]))


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (check_loss, Summing),
        (check_update_keeps_to_the_numbers, Clinging),
        (check_limits, Unbounded),
        (check_direction, Backwards),
        (check_direction, lambda settings: ELBO()),
        (check_direction, lambda settings: GECO(2 * settings.bound)),
        (check_constraint, FirstOfTheBatch),
        (check_state, Forgetful),
        (check_frozen, Freezing),
        (check_frozen, Stuck),
        (check_shares_say_what_is_frozen, SaysOtherwise),
    ],
)
def test_a_broken_promise_is_found_out(check: Callable[[Entry, Expectation], None], broken: Entry) -> None:
    with pytest.raises(AssertionError):
        check(broken, OWN)


def test_beta_that_follows_the_error_unasked_is_found_out() -> None:
    with pytest.raises(AssertionError):
        check_direction(Proportional, Expectation((0.0, 1.0), constrained=False))
