"""How good a model is, measured on held-out sequences: the only room besides evaluation that reads ground truth.

R^2, prediction error and yardsticks follow Latent Matters, 4.4.2 (Table 4.1); those of an arm (Table 4.2) have a module
of their own, :mod:`latentrl.metrics.coordinates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.metrics.coordinates import evaluate_joints, is_arm
from latentrl.metrics.generation import FEWEST_SEQUENCES, generation_metrics
from latentrl.metrics.prediction import (
    elbo_per_step,
    mean_error,
    mean_frame_error,
    predict_filtered_states,
    predict_images,
    predict_states,
    sequence_errors,
)
from latentrl.models.base import WorldModel
from latentrl.models.over_data import smooth
from latentrl.numerics.regression import angle_r2, neighbour_r2, ols_r2
from latentrl.types import Sequences

__all__ = ["ModelMetrics", "evaluate_model", "evaluate_pendulum", "ols_r2", "predict_images"]


@dataclass(frozen=True)
class ModelMetrics:
    """Figures of one model on one held-out split; squared errors are per observation dimension, images in [0, 1].

    R^2 is that of z alone: the memory of a recurrent model does not count. ``r2_velocity_neighbours`` asks
    whether the velocity is a function of z at all: where it is much higher than ``r2_velocity``, the velocity is known,
    in a bent chart.

    ``mse_predict_*`` compare open-loop predictions with the noise-free images where the environment gives them:
    ``mse_predict_mean`` and ``_median`` of x_1:T from a smoothed z_1, ``mse_predict_filtered_*`` of x_5:T from a
    filtered z_5. The second start knows as much and has a shorter way to go, so it is the better one for every model;
    by far, though, only where z_1 is not the whole state (Table 4.3). The yardsticks beside them: ``mse_mean_image``
    predicts the average image always, ``mse_reconstruction`` decodes the encoded observation itself.
    """

    r2_angle: float
    r2_velocity: float
    r2_velocity_neighbours: float
    r2_velocity_from_velocity_dims: float
    r2_angle_from_position_dims: float
    mse_predict_mean: float
    mse_predict_median: float
    mse_predict_filtered_mean: float
    mse_predict_filtered_median: float
    mse_mean_image: float
    mse_reconstruction: float
    test_elbo_per_step: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def evaluate_model(model: WorldModel, folder: Path, seed: int = 0) -> dict[str, float]:
    """The figures of a model on the ``test`` split of a data folder, by name.

    All of :class:`ModelMetrics` where the ground truth has ``angle``, ``velocity`` and ``clean``; the figures of
    :func:`latentrl.metrics.coordinates.evaluate_joints` where it has ``angles`` and ``velocities`` of two joints and the
    observations are those angles or pictures; else the test ELBO.
    And the figures of :mod:`latentrl.metrics.generation`, where there are sequences enough to compare with.
    """
    device = next(model.parameters()).device
    data = load_sequences(folder, "test", device)
    truth = load_ground_truth(folder, "test")
    generator = torch.Generator(device=device).manual_seed(seed)
    if {"angle", "velocity", "clean"} <= truth.keys():
        figures = evaluate_pendulum(model, data, truth, seed).as_dict()
    elif is_arm(data, truth):
        figures = evaluate_joints(model, data, truth, seed)
    else:
        figures = {"test_elbo_per_step": elbo_per_step(model, data, generator)}
    if len(data) >= FEWEST_SEQUENCES:
        figures |= generation_metrics(model, data, generator)
    return figures


@torch.no_grad()
def evaluate_pendulum(
    model: WorldModel, data: Sequences, truth: Mapping[str, np.ndarray], seed: int = 0
) -> ModelMetrics:
    """All figures of Tables 4.1 and 4.3 for held-out pendulum sequences.

    Args:
        model: a trained model.
        data: held-out sequences.
        truth: ``angle`` and ``velocity [N, T]``, and the noise-free pictures ``clean [N, T, ...]`` uint8.
        seed: for the sampled first states and the one-sample ELBO.
    """
    generator = torch.Generator(device=next(model.parameters()).device).manual_seed(seed)
    smoothed = smooth(model, data).mean
    latents = smoothed[..., : model.latent_size]
    states = latents.flatten(0, 1).cpu().numpy()
    angle, velocity = truth["angle"].ravel(), truth["velocity"].ravel()
    clean = torch.from_numpy(truth["clean"])
    errors = sequence_errors(model, predict_states(model, data, generator), clean)
    position = model.position_size
    elbo = elbo_per_step(model, data, generator)
    filtered = predict_filtered_states(model, data, generator)
    filtered_errors = sequence_errors(model, filtered, clean[:, -filtered.shape[1] :])
    return ModelMetrics(
        r2_angle=angle_r2(states, angle),
        r2_velocity=ols_r2(states, velocity),
        r2_velocity_neighbours=neighbour_r2(latents, torch.from_numpy(truth["velocity"])),
        r2_velocity_from_velocity_dims=ols_r2(states[:, position:], velocity),
        r2_angle_from_position_dims=angle_r2(states[:, :position], angle),
        mse_predict_mean=float(errors.mean()),
        mse_predict_median=float(errors.median()),
        mse_predict_filtered_mean=float(filtered_errors.mean()),
        mse_predict_filtered_median=float(filtered_errors.median()),
        mse_mean_image=mean_frame_error(model, clean),
        mse_reconstruction=mean_error(model, smoothed.float(), clean),
        test_elbo_per_step=elbo,
    )
