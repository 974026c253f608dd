"""The decoder alone, once all else is trained."""

from __future__ import annotations

import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.over_data import smooth
from latentrl.models.spec import DataSpec
from latentrl.runs.tensors import write_tensors
from latentrl.support.errors import UserError
from latentrl.training.stages.decoder import _Fit, fit_decoder
from latentrl.types import Sequences
from tests.arms import wander


@pytest.fixture
def arms() -> Sequences:
    return wander(60, 10)[0]


@pytest.fixture
def model(arms: Sequences) -> EKVAE:
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=5, position_size=3, network="lean", hidden=(64, 64), standardise=True)
    made = EKVAE(DataSpec.of(arms), settings)
    assert made.standard is not None
    made.standard.fit(arms.observations.flatten(0, 1))
    return made


def error(model: EKVAE, data: Sequences) -> float:
    with torch.no_grad():
        positions = smooth(model, data).mean[..., : model.position_size].float()
        return float(model.squared_error(positions, data.observations).mean())


def test_the_decoder_draws_better_and_nothing_else_moves(model: EKVAE, arms: Sequences) -> None:
    unseen, _ = wander(20, 10, seed=1)
    before, state = (
        [error(model, data) for data in (arms, unseen)],
        {name: value.clone() for name, value in model.state_dict().items()},
    )
    seconds = fit_decoder(model, arms, 150, progress=False)
    assert error(model, arms) < 0.8 * before[0] and error(model, unseen) < 0.9 * before[1]
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, state[name])}
    assert moved == {name for name in state if name.startswith("decoder.")} | {"log_sigma"}
    assert float(model.log_sigma.detach().exp()) == pytest.approx(error(model, arms) ** 0.5, rel=1e-3)
    assert seconds > 0


def test_no_steps_set_sigma_alone(model: EKVAE, arms: Sequences) -> None:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    fit_decoder(model, arms, 0, progress=False)
    assert [n for n, value in model.state_dict().items() if not torch.equal(value, state[n])] == ["log_sigma"]


def test_the_seed_decides_the_frames(model: EKVAE, arms: Sequences) -> None:
    start = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = []
    for seed in (0, 0, 1):
        model.load_state_dict(start)
        fit_decoder(model, arms, 3, seed, progress=False)
        drawn.append(next(model.decoder.parameters()).detach().clone())
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(
    model: EKVAE, arms: Sequences, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted twice: between two of the regular copies, and by a process that ends without a word after one."""
    monkeypatch.setattr("latentrl.training.stages.decoder.SAVED_EVERY", 4)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    fit_decoder(model, arms, 12, progress=False)
    whole = {name: value.clone() for name, value in model.state_dict().items()}
    advance, taken = _Fit.advance, 0

    def stopping(fit: _Fit, smoothed: torch.Tensor, observations: torch.Tensor) -> float:
        nonlocal taken
        if taken == 9:
            taken += 1
            raise RuntimeError("the process ends")
        error, taken = advance(fit, smoothed, observations), taken + 1
        if taken == 2:
            signal.raise_signal(signal.SIGINT)
        return error

    monkeypatch.setattr(_Fit, "advance", stopping)
    so_far = tmp_path / "decoder.safetensors"
    for stopped in (KeyboardInterrupt, RuntimeError, None):
        model.load_state_dict(start)
        with pytest.raises(stopped) if stopped else nullcontext():
            fit_decoder(model, arms, 12, progress=False, so_far=so_far)
    assert taken == 2 + 7 + 1 + 4
    for name, value in model.state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_a_file_of_another_model_is_named_with_the_cure(model: EKVAE, arms: Sequences, tmp_path: Path) -> None:
    so_far = tmp_path / "decoder.safetensors"
    write_tensors(so_far, {"decoder.weight": torch.zeros(3)})
    with pytest.raises(UserError, match=r"decoder\.safetensors does not fit .* remove it"):
        fit_decoder(model, arms, 3, progress=False, so_far=so_far)
