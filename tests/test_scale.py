"""A training step takes as long as its sequences are, however many there are; a long one has sound gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.scale import anonymous_memory, frame_rows, length_rows, measure_memory
from benchmarks.training_step import make_model, random_sequences
from latentrl.inference.backends import BACKENDS, backend_named, is_installed


def test_a_steps_time_is_linear_in_the_length_of_sequences() -> None:
    """Four times as long takes four times the time, and not sixteen; a step's own overhead makes it less."""
    short, long = length_rows((300, 1200), repeats=3)
    assert 0 < long["per_frame_ratio"] < 2.5 and long["ms"] > short["ms"]


def test_a_steps_time_does_not_depend_on_the_number_of_sequences() -> None:
    few, many = frame_rows((510, 150_000), batch=8, repeats=9)
    assert few["ratio"] == 1.0 and 0 < many["ratio"] < 2.0


@pytest.mark.skipif(anonymous_memory() is None, reason="the system does not say what memory a process has")
def test_pictures_in_a_file_are_never_all_in_memory(tmp_path: Path) -> None:
    """Twenty times the frames take less than half of those pictures more: coordinates, a few numbers a frame."""
    few, many = (measure_memory(tmp_path, count)[1] for count in (15_000, 300_000))
    assert many - few < 0.5 * 300_000 * 256 / 2**20


@pytest.mark.parametrize("name", [name for name in BACKENDS if is_installed(name)])
def test_gradients_of_a_long_sequence_are_finite_and_forget(name: str) -> None:
    """What is seen at the end tells nothing of the beginning: two thousand steps on, the gradient is as it was."""
    model = make_model("smoother")
    model.use_backend(backend_named(name))
    data = random_sequences(1, 2000)
    positions = model.encode(data.observations).mean.detach().double().requires_grad_()
    weights = model.backend.mixture(model.dynamics)
    run = model.run_filter(positions, weights.scaled(data.actions), weights)
    smoothed = model.backend.smooth(run)
    (slope,) = torch.autograd.grad(smoothed.mean[:, 1000].sum(), positions)
    assert torch.isfinite(slope).all()
    assert slope[0, 1000].abs().max() > 1e3 * slope[0, [0, -1]].abs().max()
