"""How good a model is, measured on held-out sequences: the only room besides evaluation that reads ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrl.data_collection.checks import check_bounds, check_finite
from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences, require_split
from latentrl.envs import coordinates_of
from latentrl.envs.coordinates import Coordinate
from latentrl.geometry.charts import NEAR
from latentrl.geometry.descriptors import thumbnails
from latentrl.geometry.flatness import flatness_figures
from latentrl.geometry.metric import metric_tensor
from latentrl.metrics.coordinates import coordinate_r2, coordinate_values
from latentrl.metrics.drawing import drawing_figures, sample_of
from latentrl.metrics.failures import told_displacement, untold_motion, untold_share
from latentrl.metrics.generation import FEWEST_SEQUENCES, generation_metrics
from latentrl.metrics.prediction import (
    elbo_per_step,
    filtered_belief,
    mean_error,
    mean_frame_error,
    open_loop,
    predict_filtered_states,
    predict_states,
    sequence_errors,
)
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder, SplitState
from latentrl.models.over_data import encode_frames, redraw_errors, smooth
from latentrl.networks.standardisation import own_units
from latentrl.support.errors import UserError
from latentrl.types import Belief, Sequences, is_image

NEAR_STEPS = 10
"""Predictions by which it is judged whether any motion is learned: far ahead the best models fail."""
FRAMES = 3000
"""Frames whose positions are compared with what they look like, about."""
MOTION_FRAMES = 8000
"""Frames whose states are asked how they move, about: a linear map is fitted to them."""
METRIC_VALUES = 500_000
"""Observation values of the frames at which the metric is looked at, about."""


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
        The figures of :func:`~latentrl.metrics.coordinates.coordinate_r2`, of :func:`prediction_figures`, of
        :func:`motion_figures` and of :func:`~latentrl.metrics.generation.generation_metrics`, ``untold_share``,
        ``undrawn_share`` and, of a model of single frames, ``redrawn_worst``: the largest root mean squared error of a
        frame that is drawn from where it is encoded, by which a goal that is unlike all of them is told.
    """
    device = next(model.parameters()).device
    belief = smooth(model, data) if belief is None else belief
    figures = coordinate_r2(belief.mean[..., : model.latent_size], model.position_size, truth, coordinates)
    seeded = torch.Generator(device=device).manual_seed(seed)
    figures |= prediction_figures(model, data, belief, _noise_free(data, truth), seeded)
    units = own_units(data)
    figures |= motion_figures(model, data, belief, units)
    figures |= _undrawn_share(model, data, belief, units) | _redrawn(model, data)
    if len(data) >= FEWEST_SEQUENCES:
        figures["untold_share"] = _untold_share(model, data, belief, units)
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
    yardstick = "mse_mean_image" if is_image(data.observations) else "mse_mean_observation"
    return {
        "mse_predict_mean": float(errors.mean()),
        "mse_predict_median": float(errors.median()),
        "mse_predict_filtered_mean": float(filtered_errors.mean()),
        "mse_predict_filtered_median": float(filtered_errors.median()),
        yardstick: mean_frame_error(model, frames),
        "mse_reconstruction": mean_error(model, belief.mean.float(), frames),
        "test_elbo_per_step": elbo,
    }


@torch.no_grad()
def flatness(model: WorldModel, data: Sequences) -> dict[str, float]:
    """How flat positions of held-out frames lie, by :func:`~latentrl.geometry.flatness.flatness_figures`.

    None of a model that does not read positions off frames and draw frames from them, or has a single one.

    Args:
        model: a trained model.
        data: held-out sequences.
    """
    if not (isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)) or model.position_size < 2:
        return {}
    values = data.observations.shape[2:].numel()
    # Every frame's metric has as many pictures as there are positions: a sample, as of single frames.
    every = max(1, data.observations.shape[:2].numel() * values // METRIC_VALUES)
    places = encode_frames(model, data).mean.flatten(0, -2)[::every].float()
    return flatness_figures(metric_tensor(model.decode, places))


@torch.no_grad()
def motion_figures(model: WorldModel, data: Sequences, belief: Belief, units: Tensor | None = None) -> dict[str, float]:
    """Is any motion learned? Predictions a few steps ahead, beside those that nothing moves; none of short sequences.

    ``mse_predict_near`` is the error of up to `NEAR_STEPS` predictions from the mean of the filtered z_5,
    ``mse_still_near`` that of z_5 held still, ``mse_mean_near`` that of the same frames' average: all of what was
    observed, noise included, for they are warned by, which takes no truth. Of sensors in units that have nothing to do
    with each other there are ``scaled_*_near`` too, of which every reading counts by its own deviation: the others are
    those of the largest reading alone, whatever the model foresees. ``told_displacement`` is the R^2 of how far
    positions move in them, of models whose state has positions; ``untold_motion``, of those that have a velocity
    beside it, is what z does not tell of the step before.

    Args:
        model: a trained model.
        data: held-out sequences.
        belief: their smoothed states, ``[N, T]``.
        units: ``[*shape]``, what each reading is counted in where they have their own.
    """
    start, first = filtered_belief(model, data, belief.mean.device)
    last = min(first + NEAR_STEPS, data.length - 1)
    if last == first:
        return {}
    states = open_loop(model, start.mean.float(), data.actions[:, first:last])
    ahead, still = states[:, 1:], states[:, :1].expand(-1, last - first, -1)
    seen = data.observations[:, first + 1 : last + 1]
    found = {
        "mse_predict_near": float(sequence_errors(model, ahead, seen).mean()),
        "mse_still_near": float(sequence_errors(model, still, seen).mean()),
        "mse_mean_near": mean_frame_error(model, seen),
    }
    if units is not None:
        found |= {
            "scaled_predict_near": mean_error(model, ahead, seen, units),
            "scaled_still_near": mean_error(model, still, seen, units),
            "scaled_mean_near": mean_frame_error(model, _in(units, model.to_unit(seen))),
        }
    if isinstance(model, SplitState):
        positions = belief.mean[:, first : last + 1, : model.position_size].float()
        found["told_displacement"] = told_displacement(ahead[..., : model.position_size], positions)
        if model.position_size < model.latent_size:
            every = slice(None, None, max(1, len(data) * data.length // MOTION_FRAMES))
            some = belief.mean[every, :, : model.latent_size].cpu()
            found["untold_motion"] = untold_motion(some, data.actions[every].cpu(), model.position_size)
    return found


def _untold_share(model: WorldModel, data: Sequences, belief: Belief, units: Tensor | None) -> float:
    """:func:`~latentrl.metrics.failures.untold_share` of a sample: of positions where frames alone tell them, else of
    whole states; of readings in ``units``, if they have their own."""
    stride = max(1, data.observations.shape[:2].numel() // FRAMES)
    sample, latents = data[::stride], belief.mean[::stride, :, : model.latent_size]
    positions = encode_frames(model, sample).mean if isinstance(model, FrameEncoder) else latents
    frames = sample.observations.flatten(0, 1)
    looks = thumbnails(frames, NEAR) if is_image(sample.observations) else _in(units, frames.float()).flatten(1)
    return untold_share(positions.cpu(), looks.cpu().unflatten(0, sample.observations.shape[:2]))


def _undrawn_share(model: WorldModel, data: Sequences, belief: Belief, units: Tensor | None) -> dict[str, float]:
    """Of a sample as it was observed: frames without noise are ground truth, by which nobody is warned.

    Of sensors in units that have nothing to do with each other every reading counts by its own deviation.
    """
    some = sample_of(data)
    seen = data[some]
    error = mean_error(model, belief.mean[some].float(), seen.observations, units)
    if units is not None:
        seen = replace(seen, observations=_in(units, model.to_unit(seen.observations)))
    return drawing_figures(seen, error, mean_frame_error(model, seen.observations))


def _in(units: Tensor | None, readings: Tensor) -> Tensor:
    """``readings [..., *shape]`` in ``units [*shape]``, if they have their own."""
    return readings if units is None else readings / units.to(readings.device)


def _redrawn(model: WorldModel, data: Sequences) -> dict[str, float]:
    if not (isinstance(model, FrameEncoder) and isinstance(model, FrameDecoder)):
        return {}
    worst = redraw_errors(model, data[sample_of(data)].observations.flatten(0, 1)).max()
    return {"redrawn_worst": float(worst)}


def _noise_free(data: Sequences, truth: Mapping[str, NDArray[np.floating]]) -> Tensor:
    clean = truth.get("clean")
    if clean is None or clean.shape != data.observations.shape:
        return data.observations
    return torch.from_numpy(clean)
