"""Training: resuming bit for bit, interruption, divergence, the log, schedules."""

from __future__ import annotations

import csv
import json
import re
import signal
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.networks.standardisation import data_deviation
from latentrl.objectives.elbo import ELBO
from latentrl.objectives.rewo import REWO
from latentrl.runs.folder import CHECKPOINT, HISTORY
from latentrl.support.errors import UserError
from latentrl.training.building import trainer_for
from latentrl.training.coarse_to_fine import Schedule
from latentrl.training.loop import fit, resume
from latentrl.training.options import TrainOptions
from latentrl.training.settings import TrainSettings
from latentrl.training.stages.best_start import best_start
from latentrl.training.trainer import DivergedError, Trainer
from latentrl.types import RateDistortion, Sequences

SETTINGS = TrainSettings(steps=24, batch=4, checkpoint_every=5, log_every=4, sigma_hold=6)


def data() -> Sequences:
    g = torch.Generator().manual_seed(0)
    observations = torch.randint(0, 256, (16, 5, 8, 8, 1), dtype=torch.uint8, generator=g)
    return Sequences(observations, torch.randn(16, 4, 1, generator=g))


def log_sigma(trained: Trainer) -> torch.Tensor:
    assert isinstance(trained.model, EKVAE)
    return trained.model.log_sigma


def trainer(settings: TrainSettings = SETTINGS) -> Trainer:
    torch.manual_seed(0)
    model = EKVAE(
        DataSpec.of(data()), EKVAESettings(base_matrices=2, hidden=(16,), gate_hidden=(8,), prior_hidden=(8,))
    )
    return trainer_for(model, REWO(0.05), data(), settings, seed=0)


class StopsAt(Trainer):
    """Ctrl-C after some steps."""

    last = 13

    def advance(self) -> RateDistortion:
        if self.step == self.last:
            raise KeyboardInterrupt
        return super().advance()


def go_on(resumed: Trainer, folder: Path) -> None:
    assert resume(resumed, folder) is not None
    fit(resumed, folder, progress=False)


def interrupted(folder: Path) -> None:
    first = trainer()
    first.__class__ = StopsAt
    with pytest.raises(KeyboardInterrupt):
        fit(first, folder, progress=False)


def test_the_velocity_is_aligned_where_there_are_as_many_as_positions() -> None:
    """A step with the penalty differs from one without it; with another number of velocities there is none."""
    for position_size, differs in ((1, True), (2, False)):
        ends = []
        for weight in (0.0, 10.0):
            torch.manual_seed(0)
            sizes = EKVAESettings(state_size=position_size + 1, position_size=position_size, base_matrices=2)
            model = EKVAE(DataSpec.of(data()), sizes)
            one = trainer_for(model, REWO(0.05), data(), replace(SETTINGS, velocity_alignment=weight), seed=0)
            one.advance()
            ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
        assert torch.equal(*ends) is not differs


def test_a_prior_holds_base_matrices_together() -> None:
    spread = {}
    for matrix_spread in (0.0, 1e-4):
        torch.manual_seed(0)
        model = EKVAE(DataSpec.of(data()), EKVAESettings(base_matrices=4))
        settings = replace(SETTINGS, steps=40, decay_from=1.0, matrix_spread=matrix_spread)
        one = trainer_for(model, ELBO(), data(), settings, seed=0)
        for _ in range(40):
            one.advance()
        spread[matrix_spread] = float(model.dynamics.state_matrices.detach().std(0).mean())
    assert spread[1e-4] < 0.5 * spread[0.0]


def test_resumed_training_ends_bit_identical(tmp_path: Path) -> None:
    whole = trainer()
    fit(whole, tmp_path / "whole", progress=False)
    interrupted(tmp_path / "parts")
    # The rest happens in a trainer whose weights, optimiser and random state are its own until it resumes.
    torch.manual_seed(99)
    second = trainer()
    go_on(second, tmp_path / "parts")
    assert second.step == whole.step == 24
    for (name, a), b in zip(whole.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert whole.objective.state() == second.objective.state()
    logs = [list(csv.DictReader((tmp_path / run / HISTORY).open())) for run in ("whole", "parts")]
    for a, b in zip(*logs, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}


class SignalledWithin(Trainer):
    """A real Ctrl-C in the middle of a step, after the batch is drawn."""

    def _set_learning_rates(self) -> None:
        if self.step == 14:
            signal.raise_signal(signal.SIGINT)
        super()._set_learning_rates()


def test_ctrl_c_within_a_step_waits_for_its_end(tmp_path: Path) -> None:
    whole, parts = trainer(), trainer()
    fit(whole, tmp_path / "whole", progress=False)
    parts.__class__ = SignalledWithin
    with pytest.raises(KeyboardInterrupt):
        fit(parts, tmp_path / "parts", progress=False)
    assert parts.step == 14
    again = trainer()
    go_on(again, tmp_path / "parts")
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))


def test_ctrl_c_saves_the_step_it_was_at(tmp_path: Path) -> None:
    interrupted(tmp_path)
    again = trainer()
    again.settings = replace(SETTINGS, steps=13)
    go_on(again, tmp_path)
    assert again.step == 13
    assert not list(tmp_path.glob("*.partial"))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path)
    torch.manual_seed(0)
    other = EKVAE(DataSpec.of(data()), EKVAESettings(base_matrices=3, hidden=(16,)))
    with pytest.raises(UserError, match=r"checkpoint\.safetensors does not fit"):
        resume(trainer_for(other, REWO(0.05), data(), SETTINGS, seed=0), tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"not safetensors")
    with pytest.raises(UserError, match=r"checkpoint\.safetensors is damaged"):
        resume(trainer(), tmp_path)


def test_divergence_leaves_the_parameters_alone() -> None:
    diverging = trainer()
    with torch.no_grad():
        log_sigma(diverging).fill_(float("nan"))
    before = [p.clone() for p in diverging.model.parameters()]
    with pytest.raises(DivergedError, match="step 1") as caught:
        diverging.advance()
    cures = re.findall(r"--([a-z-]+)", str(caught.value))
    assert cures and {cure.replace("-", "_") for cure in cures} <= {field.name for field in fields(TrainOptions)}
    for a, b in zip(before, diverging.model.parameters(), strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num())


def test_initial_phase_moves_encoder_and_decoder_alone() -> None:
    first = trainer(replace(SETTINGS, sigma_hold=0))
    first.objective = REWO(1e-9)
    before = {name: p.clone() for name, p in first.model.named_parameters()}
    first.advance()
    moved = {name for name, p in first.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved and all(name.startswith(("encoder", "decoder", "log_sigma")) for name in moved)


def test_sigma_is_held_and_then_released() -> None:
    first = trainer()
    start = log_sigma(first).clone()
    for _ in range(SETTINGS.sigma_hold):
        first.advance()
    assert torch.equal(log_sigma(first), start)
    first.advance()
    assert not torch.equal(log_sigma(first), start)


def test_what_is_seen_waits_for_the_constraint_and_goes_on_where_it_was_saved() -> None:
    settings = replace(SETTINGS, patience=1000, blur=Schedule(start=2, end=6))
    held, again = trainer(settings), trainer(settings)
    held.objective, again.objective = REWO(1e-9), REWO(1e-9)
    for _ in range(10):
        held.advance()
    assert held.step == 10 and held.pace.clock == 2
    start = log_sigma(trainer(settings))
    assert torch.equal(log_sigma(held), start), "sigma is released when the blur is gone"
    again.load_state(*held.state())
    assert again.pace == held.pace
    held.objective.bound = 1.0
    for _ in range(10):
        held.advance()
    assert held.pace.clock == 12 and not torch.equal(log_sigma(held), start)


def test_a_training_from_before_it_could_wait_goes_on_as_it_was() -> None:
    old, new = trainer(), trainer()
    for _ in range(3):
        old.advance()
    tensors, metadata = old.state()
    numbers = json.loads(metadata["training"])
    del numbers["pace"]
    new.load_state(tensors, {"training": json.dumps(numbers)})
    assert new.pace.clock == 3


def test_sigma_stops_at_its_floor() -> None:
    """Pictures that are all black are soon drawn exactly: without a floor sigma would fall on."""
    black = Sequences(torch.zeros(16, 5, 8, 8, 1, dtype=torch.uint8), data().actions)
    ends = []
    for floor in (0.0, 0.25):
        torch.manual_seed(0)
        model = EKVAE(DataSpec.of(black), EKVAESettings(base_matrices=2, hidden=(16,)))
        plain = replace(SETTINGS, sigma_hold=0, decay_from=1.0, alignment=0.0, blur=Schedule(width=0.0))
        falling = trainer_for(model, ELBO(), black, replace(plain, sigma_floor=floor), seed=0)
        falling.settings.learning_rates["emission_noise"] = 0.05
        for _ in range(20):
            falling.advance()
        assert falling.sigma_is_kept is (floor > 0)
        ends.append(float(model.log_sigma.detach().exp()))
    assert ends[0] < 0.2 and ends[1] == pytest.approx(0.25)


def test_sigma_waits_while_the_rate_has_grown_too_much() -> None:
    """It would fall, for it begins far above the error."""
    ends = []
    for growth in (0.0, 1e-6):
        torch.manual_seed(0)
        made = replace(SETTINGS, sigma_hold=3, decay_from=1.0, sigma_growth=growth, blur=Schedule(width=0.0))
        model = EKVAE(DataSpec.of(data()), EKVAESettings(base_matrices=2, hidden=(16,), initial_sigma=3.0))
        trainer = trainer_for(model, ELBO(), data(), made, seed=0)
        first = float(model.log_sigma.detach())
        for step in range(1, 9):
            trainer.advance()
            assert step > 3 or float(model.log_sigma.detach()) == first
        ends.append(float(model.log_sigma.detach()) - first)
    assert ends[0] < 0 == ends[1]


def test_learning_rates_fall_to_zero_at_the_end() -> None:
    settings = TrainSettings(steps=100, decay_from=0.5)
    assert [settings.rate_factor(s) for s in (1, 50, 75, 100)] == [1.0, 1.0, 0.5, 0.0]
    assert TrainSettings(decay_from=1.0).rate_factor(6000) == 1.0
    assert settings.settled(1) == 1.0
    assert [replace(settings, settle=20).settled(s) for s in (1, 20, 30, 40, 75)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_the_start_with_the_lowest_rate_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {0: 9.0, 1: 4.0, 2: 7.0}
    made: list[Trainer] = []

    def make(number: int) -> Trainer:
        made.append(trainer(replace(SETTINGS, starts=3, start_steps=8)))
        return made[-1]

    advance = Trainer.advance

    def with_rate(self: Trainer) -> RateDistortion:
        # The first steps say nothing: only the last quarter counts.
        late = rates[len(made) - 1] if self.step >= 6 else -100.0 * len(made)
        return advance(self)._replace(rate=torch.full((4,), late))

    monkeypatch.setattr(Trainer, "advance", with_rate)
    best = best_start(make, replace(SETTINGS, starts=3, start_steps=8), progress=False)
    assert best is made[1] and [t.step for t in made] == [8, 8, 8]
    assert best.seconds > sum(t.seconds for t in made if t is not best), "the time of every start is counted"


def test_alignment_ends_with_the_hold_and_moves_the_encoder_alone() -> None:
    settings = replace(SETTINGS, sigma_hold=1)
    runs = [trainer(replace(settings, alignment=weight)) for weight in (0.0, 500.0)]
    for run in runs:
        run.advance()
    plain, aligned = (dict(run.model.named_parameters()) for run in runs)
    moved = {name for name in plain if not torch.equal(plain[name], aligned[name])}
    assert moved and all(name.startswith("encoder") for name in moved)
    tensors, metadata = runs[0].state()
    runs[1].load_state({key: value.clone() for key, value in tensors.items()}, metadata)
    for run in runs:
        run.advance()
    assert all(torch.equal(a, b) for a, b in zip(*(run.model.parameters() for run in runs), strict=True))


def test_data_deviation_is_in_units_of_the_model() -> None:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 20, 4, 4, 1), dtype=torch.uint8, generator=g)
    expected = (images.double() / 255).flatten(0, 1).var(0).mean().sqrt()
    assert data_deviation(Sequences(images, torch.zeros(50, 19, 1))) == pytest.approx(float(expected), rel=1e-5)
