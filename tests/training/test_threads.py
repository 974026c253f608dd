"""On how many threads a model is trained: measured where it may matter, and nothing stays of that."""

from __future__ import annotations

import pytest
import torch

import latentrl.training.threads as module
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.objectives.rewo import REWO
from latentrl.support.threads import CHOSEN_BY
from latentrl.training.building import trainer_for
from latentrl.training.settings import TrainSettings
from latentrl.training.threads import bare_step, training_threads
from latentrl.training.trainer import Trainer
from latentrl.types import Sequences

LARGE, SMALL, SENSORS = (64, 64, 1), (16, 16, 1), (5000,)


def trainer_of(shape: tuple[int, ...]) -> Trainer:
    """Of a tiny model of noise."""
    g = torch.Generator().manual_seed(0)
    picture = len(shape) == 3
    seen = torch.randint(0, 256, (3, 4, *shape), dtype=torch.uint8, generator=g)
    data = Sequences(seen if picture else seen.float(), torch.rand(3, 3, 1, generator=g))
    settings = EKVAESettings(state_size=3, base_matrices=2, hidden=(4,), gate_hidden=(4,), prior_hidden=(4,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = EKVAE(DataSpec(shape, "uint8" if picture else "float32", 1, (1.0,)), settings)
    return trainer_for(model, REWO(1.0), data, TrainSettings(batch=5), seed=0)


@pytest.mark.parametrize(
    ("shape", "most", "before", "count"),
    [
        (LARGE, 4, None, 2),
        (LARGE, 1, None, 1),
        (SMALL, 4, None, 1),
        (SENSORS, 4, None, 1),
        (LARGE, 4, 1, 1),
        (LARGE, 4, 3, 3),
        (SMALL, 4, 3, 3),
        (LARGE, 2, 8, 2),
        (LARGE, 4, "many", 2),
        (LARGE, 4, 0, 2),
        (SMALL, 4, [], 1),
    ],
    ids=str,
)
def test_only_large_pictures_are_worth_a_look_and_a_run_keeps_its_number(
    shape: tuple[int, ...], most: int, before: object, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "threads_that_gain", lambda work, most: 2)
    monkeypatch.delenv(CHOSEN_BY, raising=False)
    trainer = trainer_of(shape)
    assert training_threads(trainer, most, before) == count
    monkeypatch.setenv(CHOSEN_BY, str(most))
    assert training_threads(trainer, most, before) == most, "who said so is not heard"


@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_the_look_leaves_no_trace(shape: tuple[int, ...]) -> None:
    looked, plain = trainer_of(shape), trainer_of(shape)
    random = torch.get_rng_state()
    bare_step(looked)
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in looked.model.parameters())
    for _ in range(2):
        looked.advance(), plain.advance()
    state, wanted = (trainer.state()[0] for trainer in (looked, plain))
    assert state.keys() == wanted.keys() and all(torch.equal(state[key], wanted[key]) for key in wanted)
