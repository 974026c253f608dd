"""Recorded steps: between buffers a training goes the same way; what cannot be recorded, or differs, is not used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from latentrl.objectives.rewo import REWO
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.recording import WARM_UP
from latentrl.training.settings import TrainSettings
from latentrl.training.trainer import DivergedError, Trainer
from tests.training.test_trainer import SETTINGS, log_sigma, trainer

WAITING = replace(SETTINGS, steps=30, sigma_hold=9, patience=4, sigma_floor=0.05, blur=Schedule(start=2, end=12))


class Again:
    """Does what it has recorded again: a CUDA graph that runs on a processor."""

    made = 0

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> None:
        self.work = work
        Again.made += 1

    def replay(self) -> None:
        self.work()


class Wrongly(Again):
    """Replays other numbers than were recorded."""

    def replay(self) -> None:
        super().replay()
        for value in self.values:
            value.add_(1.0)

    values: ClassVar[list[torch.Tensor]] = []


class Unable(Again):
    """As where a step waits for the device."""

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> None:
        work()
        raise RuntimeError("operation not permitted when stream is capturing")


def lagging(settings: TrainSettings = WAITING, bound: float = 0.05) -> Trainer:
    """As on a GPU: Python looks at every fourth step."""
    found = trainer(settings)
    found.objective = REWO(bound)
    found.looks_every = settings.log_every
    return found


def prompt(settings: TrainSettings = WAITING, bound: float = 0.05) -> Trainer:
    found = lagging(settings, bound)
    found.looks_every = 1
    return found


def weights(one: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in one.model.parameters()])


@pytest.mark.parametrize("bound", [1e-9, 0.05, 1.0])
@pytest.mark.parametrize("replays", [False, True])
def test_numbers_do_not_depend_on_when_python_looks_nor_on_replaying(replays: bool, bound: float) -> None:
    """Blur, its wait, sigma's hold and the alignment end between two looks; the bound is loosened on the way."""
    looking, other = prompt(bound=bound), lagging(bound=bound)
    made = Again.made
    other.replayed.make = Again if replays else None
    for _ in range(30):
        first, second = looking.advance(), other.advance()
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), looking.step
    assert torch.equal(weights(looking), weights(other))
    assert looking.objective.state() == other.objective.state() and looking.pace == other.pace
    assert [{**row, "seconds": 0} for row in looking.history] == [{**row, "seconds": 0} for row in other.history]
    # One with blur and alignment, and one without: both have ended, at 9 and 12, when Python looks at 12.
    assert Again.made - made == (2 if replays else 0)


def test_a_recorded_training_is_resumed_bit_for_bit() -> None:
    whole, parts, again = (lagging() for _ in range(3))
    for one in (whole, parts, again):
        one.replayed.make = Again
    for _ in range(20):
        whole.advance()
    for _ in range(11):
        parts.advance()
    for _ in range(5):
        again.advance()
    tensors, metadata = parts.state()
    again.load_state({name: value.clone() for name, value in tensors.items()}, metadata)
    for _ in range(9):
        again.advance()
    assert again.step == 20 and torch.equal(weights(whole), weights(again))
    assert whole.objective.state() == again.objective.state()


def test_what_others_change_between_steps_counts() -> None:
    """A stage may loosen the bound while a recording is there."""
    plain, replays = lagging(bound=1e-9), lagging(bound=1e-9)
    replays.replayed.make = Again
    for one in (plain, replays):
        for _ in range(WARM_UP + 4):
            one.advance()
        assert isinstance(one.objective, REWO)
        one.objective.loosen(0.9)
        for _ in range(6):
            one.advance()
    assert float(replays.objective.bound) == 0.9 and torch.equal(weights(plain), weights(replays))


def test_a_step_that_cannot_be_recorded_is_an_ordinary_one(capsys: pytest.CaptureFixture[str]) -> None:
    plain, unable = lagging(), lagging()
    unable.replayed.make = Unable
    for _ in range(8):
        plain.advance(), unable.advance()
    assert torch.equal(weights(plain), weights(unable)) and unable.replayed.make is None
    assert capsys.readouterr().out.count("not permitted when stream is capturing") == 1


def test_a_recording_that_differs_is_not_used(capsys: pytest.CaptureFixture[str]) -> None:
    plain, wrong = lagging(), lagging()
    wrong.replayed.make = Wrongly
    for _ in range(WARM_UP):
        plain.advance(), wrong.advance()
    Wrongly.values = [next(iter(wrong.optimiser.state.values()))["exp_avg"]]
    for _ in range(5):
        plain.advance(), wrong.advance()
    assert torch.equal(weights(plain), weights(wrong)) and wrong.replayed.make is None
    assert "differs" in capsys.readouterr().out


@pytest.mark.parametrize("replays", [False, True])
def test_after_a_gradient_that_is_not_finite_nothing_moves_until_python_looks(replays: bool) -> None:
    one = lagging()
    one.replayed.make = Again if replays else None
    for _ in range(5):
        one.advance()
    data = one.data
    broken = data.actions.clone().fill_(float("nan"))
    before = weights(one).clone()
    one.data = replace(data, actions=broken)
    one.advance()
    one.data = data
    one.advance()
    assert torch.equal(weights(one), before)
    with pytest.raises(DivergedError, match="step 6 "):
        one.advance()
    assert torch.equal(weights(one), before) and log_sigma(one).isfinite()
    with pytest.raises(DivergedError, match="step 6 "):
        one.state()
