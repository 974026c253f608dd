"""Predictions against the transition repeated by hand; errors against NumPy, and in pieces as at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from latentrl.metrics.prediction import (
    elbo_per_step,
    mean_error,
    mean_frame_error,
    open_loop,
    predict_filtered_images,
    predict_filtered_states,
    predict_images,
    predict_states,
    sequence_errors,
)
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.types import Belief, Sequences


def make_model() -> EKVAE:
    torch.manual_seed(0)
    return EKVAE(
        DataSpec((8, 8, 1), "uint8", 1, (2.0,)), EKVAESettings(base_matrices=2, hidden=(16,), gate_hidden=(8,))
    )


def make_data(count: int = 7, length: int = 9) -> Sequences:
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (count, length, 8, 8, 1), dtype=torch.uint8, generator=g)
    return Sequences(frames, torch.randn(count, length - 1, 1, generator=g))


@pytest.fixture(params=[None, 3, 1], ids=["whole", "threes", "ones"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """Sequences of nine 8 x 8 frames in a piece."""
    if request.param:
        monkeypatch.setattr("latentrl.models.over_data.PIECE", request.param * 9 * 64 + 5)
    return request.param


def test_open_loop_repeats_the_transition() -> None:
    model, g = make_model(), torch.Generator().manual_seed(0)
    state, actions = torch.randn(4, 3, generator=g), torch.randn(4, 2, 1, generator=g)
    second = model.transition(state, actions[:, 0]).mean
    third = model.transition(second, actions[:, 1]).mean
    torch.testing.assert_close(open_loop(model, state, actions), torch.stack((state, second, third), 1))


@torch.no_grad()
def test_a_filtered_start_knows_the_context_and_nothing_later() -> None:
    model, g = make_model(), torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (3, 9, 8, 8, 1), dtype=torch.uint8, generator=g)
    data = Sequences(frames, torch.randn(3, 8, 1, generator=g))
    predicted = predict_filtered_images(model, data, torch.Generator().manual_seed(1))
    assert predicted.shape == (3, 5, 8, 8, 1)
    context = data.truncate(5)
    last = model.smooth(context.observations, context.actions)
    first = Belief(last.mean[:, -1], last.covariance[:, -1]).sample(torch.Generator().manual_seed(1)).float()
    expected = model.emission(open_loop(model, first, data.actions[:, 4:])).mean
    torch.testing.assert_close(predicted, expected, rtol=1e-3, atol=1e-4)
    other = Sequences(torch.cat((frames[:, :5], 255 - frames[:, 5:]), 1), data.actions)
    torch.testing.assert_close(predict_filtered_images(model, other, torch.Generator().manual_seed(1)), predicted)


@torch.no_grad()
def test_errors_are_those_of_the_pictures(pieces: int | None) -> None:
    model, data = make_model(), make_data()
    states = predict_states(model, data, torch.Generator().manual_seed(1))
    truth = data.observations.numpy() / 255
    squared = (model.emission(states).mean.numpy().astype(np.float64) - truth) ** 2
    assert squared.std() > 0.01
    np.testing.assert_allclose(sequence_errors(model, states, data.observations), squared.mean((1, 2, 3, 4)), rtol=1e-5)
    assert mean_error(model, states, data.observations) == pytest.approx(squared.mean(), rel=1e-5)
    yardstick = ((truth - truth.mean((0, 1))) ** 2).mean()
    assert mean_frame_error(model, data.observations) == pytest.approx(yardstick, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("predict", [predict_states, predict_filtered_states])
def test_predictions_do_not_depend_on_the_pieces(
    pieces: int | None, predict: Callable[[EKVAE, Sequences, torch.Generator], torch.Tensor]
) -> None:
    model, data = make_model(), make_data()
    context = data.truncate(5)
    belief = model.smooth(context.observations, context.actions)
    at = 0 if predict is predict_states else 4
    first = Belief(belief.mean[:, at], belief.covariance[:, at]).sample(torch.Generator().manual_seed(1)).float()
    found = predict(model, data, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, open_loop(model, first, data.actions[:, at:]), rtol=1e-4, atol=1e-5)
    images = predict_images if predict is predict_states else predict_filtered_images
    assert torch.equal(images(model, data, torch.Generator().manual_seed(1)), model.emission(found).mean)


@torch.no_grad()
def test_the_bound_is_the_mean_over_all_sequences(pieces: int | None) -> None:
    model, data = make_model(), make_data()
    g = torch.Generator().manual_seed(0)
    parts = [model.rate_distortion(part, g) for part in ([data] if pieces is None else _cut(data, pieces))]
    expected = -torch.cat([terms.rate + terms.distortion for terms in parts]).mean() / 9
    assert elbo_per_step(model, data, torch.Generator().manual_seed(0)) == pytest.approx(float(expected), rel=1e-6)


def _cut(data: Sequences, length: int) -> list[Sequences]:
    return [data[start : start + length] for start in range(0, len(data), length)]
