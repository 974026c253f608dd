"""What every penalty must hold, whoever wrote it: one battery for all of `PENALTIES`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import CAPABILITIES, Sampled, StateSampler
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.training.penalties import PENALTIES, Penalty, PositionTarget, Step, penalties_of
from latentrl.training.settings import TrainSettings
from tests.arms import wander

WANTED = TrainSettings(sigma_hold=10, alignment=3.0, velocity_alignment=2.0, matrix_spread=0.3, flat=4.0)
"""Settings that want every penalty of this package."""


def make_model() -> EKVAE:
    torch.manual_seed(0)
    sizes = EKVAESettings(state_size=4, position_size=2, base_matrices=3, hidden=(16,), gate_hidden=(8,))
    return EKVAE(DataSpec.of(wander(6, 5, size=8)[0]), sizes)


def made(kind: type[Penalty], model: GenerativeModel) -> Penalty | None:
    components = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(1))
    return kind.of(model, WANTED, PositionTarget(components))


def weighed(penalty: Penalty, model: EKVAE, number: int = 1, beta: float = 0.5) -> Tensor | None:
    """The penalty at one step on the whole data."""
    data, _ = wander(6, 5, size=8)
    generator = torch.Generator().manual_seed(0)
    sampled = Sampled(model.rate_distortion(data, generator))
    if penalty.reads_states:
        assert isinstance(model, StateSampler)
        sampled = model.sampled_rate_distortion(data, generator)
    return penalty(sampled, Step(number, torch.arange(6), data, beta, len(data)))


def check_needs_are_capabilities(kind: type[Penalty]) -> None:
    """So that a recipe can tell which models can have it."""
    assert set(kind.needs) <= set(CAPABILITIES)


def check_it_is_described_where_it_is_wanted(kind: type[Penalty]) -> None:
    """In one line; and models that lack what it needs are never asked."""
    told = kind.described(WANTED)
    if made(kind, make_model()) is not None:
        assert told is not None
    assert told is None or (told.strip() and "\n" not in told)


def check_it_is_a_finite_scalar_with_a_gradient(kind: type[Penalty]) -> None:
    """Not negative, in nats, and something of the model can follow it."""
    model = make_model()
    penalty = made(kind, model)
    if penalty is None:
        return
    found = weighed(penalty, model)
    assert (
        found is not None and found.shape == () and math.isfinite(float(found.detach())) and float(found.detach()) >= 0
    )
    model.zero_grad()
    found.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients)


def check_it_draws_nothing_and_is_the_same_twice(kind: type[Penalty]) -> None:
    """A penalty that drew random numbers would change what the training draws after it."""
    model = make_model()
    penalty = made(kind, model)
    if penalty is None:
        return
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = weighed(penalty, model), weighed(penalty, model)
    assert first is not None and second is not None and torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def check_a_small_step_against_it_lowers_it(kind: type[Penalty]) -> None:
    """Its gradient is that of its value."""
    model = make_model()
    penalty = made(kind, model)
    if penalty is None:
        return
    found = weighed(penalty, model)
    assert found is not None
    model.zero_grad()
    found.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-3 / float(norm) * parameter.grad)
    after = weighed(penalty, model)
    assert after is not None and float(after.detach()) < float(found.detach())


CHECKS = (
    check_needs_are_capabilities,
    check_it_is_described_where_it_is_wanted,
    check_it_is_a_finite_scalar_with_a_gradient,
    check_it_draws_nothing_and_is_the_same_twice,
    check_a_small_step_against_it_lowers_it,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty(name: str, check: object) -> None:
    assert callable(check)
    check(PENALTIES[name])


def test_every_penalty_of_this_package_is_weighed_above() -> None:
    """The battery passes over a penalty that its settings do not want: here they want all of them."""
    known = {"position", "velocity", "base matrices", "flat"}
    assert known <= penalties_of(make_model(), WANTED, PositionTarget(torch.zeros(6, 5, 2))).keys()


def test_a_penalty_that_draws_or_points_up_is_found_out() -> None:
    class Drawing(Penalty):
        @classmethod
        def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> Penalty:
            return cls()

        @classmethod
        def described(cls, settings: TrainSettings) -> str:
            return "drawn"

        def __call__(self, sampled: Sampled, step: Step) -> Tensor:
            return sampled.terms.error.mean() * torch.rand(())

    with pytest.raises(AssertionError):
        check_it_draws_nothing_and_is_the_same_twice(Drawing)

    class Detached(Drawing):
        def __call__(self, sampled: Sampled, step: Step) -> Tensor:
            return sampled.terms.error.mean().detach().requires_grad_()

    with pytest.raises(AssertionError):
        check_it_is_a_finite_scalar_with_a_gradient(Detached)


def test_a_penalty_that_is_not_wanted_is_not_made(tmp_path: Path) -> None:
    none = replace(WANTED, alignment=0.0, velocity_alignment=0.0, matrix_spread=0.0, flat=0.0)
    known = {"position", "velocity", "base matrices", "flat"}
    assert not known & penalties_of(make_model(), none, PositionTarget()).keys()
    assert all(PENALTIES[name].described(none) is None for name in known)
