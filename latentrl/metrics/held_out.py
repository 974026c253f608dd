"""How good a model is, measured on held-out sequences: the only room besides evaluation that reads ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.data_collection.checks import check_bounds, check_finite
from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences, require_split
from latentrl.envs import coordinates_of
from latentrl.envs.coordinates import Coordinate
from latentrl.metrics.coordinates import coordinate_r2, coordinate_values
from latentrl.metrics.generation import FEWEST_SEQUENCES, generation_metrics
from latentrl.metrics.prediction import (
    elbo_per_step,
    mean_error,
    mean_frame_error,
    predict_filtered_states,
    predict_states,
    sequence_errors,
)
from latentrl.models.base import WorldModel
from latentrl.models.over_data import smooth
from latentrl.support.errors import UserError
from latentrl.types import Belief, Sequences, is_image

YARDSTICKS = ("mse_mean_image", "mse_mean_observation")
"""Figures of whoever always predicts the average: of pictures, of sensors."""


def evaluate_model(
    model: WorldModel, folder: Path, seed: int = 0, data: Sequences | None = None, belief: Belief | None = None
) -> dict[str, float]:
    """All figures of a model on the ``test`` split of a data folder, by name; see :func:`held_out_figures`.

    Args:
        model: a trained model.
        folder: the data folder.
        seed: of everything that is drawn.
        data: the split's sequences, where they are loaded already.
        belief: the smoothed states of all of them, where they are known already.

    Raises:
        UserError: no such data folder or split.
    """
    if data is None:
        data = load_sequences(folder, "test", next(model.parameters()).device)
    metadata = load_metadata(folder)
    truth, coordinates = load_ground_truth(folder, "test", metadata), coordinates_of(metadata, str(folder / METADATA))
    return held_out_figures(model, data, truth, coordinates, seed, belief)


def check_held_out(folder: Path) -> None:
    """Refuse data that no model can be measured on, before one is trained.

    Raises:
        UserError: no ``test`` split, one with numbers that are not finite or actions out of bounds, or coordinates that
            its ground truth does not hold.
    """
    metadata = load_metadata(folder)
    require_split(folder, "test", metadata)
    low, high = check_bounds(metadata, str(folder / METADATA))
    check_finite(load_sequences(folder, "test", metadata=metadata), f"{folder}: test", low, high)
    coordinates = coordinates_of(metadata, str(folder / METADATA))
    if coordinates:
        shape = tuple(metadata["splits"]["test"][name] for name in ("sequences", "length"))
        truth = load_ground_truth(folder, "test", metadata)
        for name, values in coordinate_values(truth, coordinates, shape).items():
            if not np.isfinite(values).all():
                raise UserError(
                    f"{folder}: test: the coordinate {name} of the ground truth is not finite everywhere, so that no "
                    f"model can be judged by it: take it out of {folder / METADATA}, or record the data again"
                )


@torch.no_grad()
def held_out_figures(
    model: WorldModel,
    data: Sequences,
    truth: Mapping[str, NDArray[np.floating]],
    coordinates: Sequence[Coordinate],
    seed: int = 0,
    belief: Belief | None = None,
) -> dict[str, float]:
    """All figures of a model on held-out sequences (Latent Matters, Tables 4.1 to 4.3), by name.

    R^2 is that of z alone: the memory of a recurrent model does not count. Of generated sequences there are figures
    where there are enough recorded ones to compare with.

    Args:
        model: a trained model.
        data: held-out sequences.
        truth: what the environment recorded, each entry ``[N, T, ...]``; perhaps ``clean``, the observations without
            noise, which counts if it has their shape.
        coordinates: the entries of ``truth`` that describe the state.
        seed: of the sampled first states, of the one-sample ELBO and of imagined sequences.
        belief: the smoothed states of ``data``, where they are known already.

    Returns:
        The figures of :func:`~latentrl.metrics.coordinates.coordinate_r2`, of :func:`prediction_figures` and of
        :func:`~latentrl.metrics.generation.generation_metrics`.
    """
    device = next(model.parameters()).device
    belief = smooth(model, data) if belief is None else belief
    figures = coordinate_r2(belief.mean[..., : model.latent_size], model.position_size, truth, coordinates)
    seeded = torch.Generator(device=device).manual_seed(seed)
    figures |= prediction_figures(model, data, belief, _noise_free(data, truth), seeded)
    if len(data) >= FEWEST_SEQUENCES:
        # A generator of its own: these figures are those of `imagine` with the same seed.
        figures |= generation_metrics(model, data, torch.Generator(device=device).manual_seed(seed), belief)
    return figures


@torch.no_grad()
def prediction_figures(
    model: WorldModel, data: Sequences, belief: Belief, frames: Tensor, generator: torch.Generator
) -> dict[str, float]:
    """Errors of open-loop predictions with their yardsticks, and the ELBO per time step in nats.

    Squared errors are per observation dimension, pictures in [0, 1]. ``mse_predict_*`` are those of x_1:T from a
    smoothed z_1, ``mse_predict_filtered_*`` those of x_5:T from a filtered z_5, which knows as much and has a shorter
    way to go: far better only where z_1 is not the whole state (Table 4.3). Each is the mean and the median over
    sequences. The yardsticks: ``mse_mean_image`` (``mse_mean_observation`` of sensors) always predicts the average,
    ``mse_reconstruction`` decodes the smoothed state.

    Args:
        model: a trained model.
        data: held-out sequences.
        belief: their smoothed states, ``[N, T]``.
        frames: what there is to predict, ``[N, T, *shape]``. Where it has noise, every error here has its variance.
        generator: of the sampled first states and of the ELBO.
    """
    errors = sequence_errors(model, predict_states(model, data, generator), frames)
    elbo = elbo_per_step(model, data, generator)
    filtered = predict_filtered_states(model, data, generator)
    filtered_errors = sequence_errors(model, filtered, frames[:, -filtered.shape[1] :])
    yardstick = YARDSTICKS[0 if is_image(data.observations) else 1]
    return {
        "mse_predict_mean": float(errors.mean()),
        "mse_predict_median": float(errors.median()),
        "mse_predict_filtered_mean": float(filtered_errors.mean()),
        "mse_predict_filtered_median": float(filtered_errors.median()),
        yardstick: mean_frame_error(model, frames),
        "mse_reconstruction": mean_error(model, belief.mean.float(), frames),
        "test_elbo_per_step": elbo,
    }


def doubts(figures: Mapping[str, float]) -> list[str]:
    """What held-out ``figures`` give reason to doubt, in words: whoever foresees less than the mean tells nothing."""
    known = next((figures[name] for name in YARDSTICKS if name in figures), None)
    predicted = figures.get("mse_predict_filtered_mean")
    if known is None or predicted is None or predicted < known:
        return []
    return [
        f"predictions are no better ({predicted:.2g}) than the mean of all observations ({known:.2g}): do not expect "
        "an agent to reach anything in this model; docs/own-environment.md, Where it fails, says what to look at"
    ]


def _noise_free(data: Sequences, truth: Mapping[str, NDArray[np.floating]]) -> Tensor:
    clean = truth.get("clean")
    if clean is None or clean.shape != data.observations.shape:
        return data.observations
    return torch.from_numpy(clean)
