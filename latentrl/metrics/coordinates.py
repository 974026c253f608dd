"""How good a model of an arm of two joints is: the figures of Table 4.2, for joint sensors and for a camera."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from latentrl.metrics.prediction import elbo_per_step, mean_error, mean_frame_error, predict_states, sequence_errors
from latentrl.models.base import WorldModel
from latentrl.models.over_data import smooth
from latentrl.numerics.neighbours import nearest_elsewhere
from latentrl.numerics.regression import angle_r2, ols_r2, r2_of_means
from latentrl.types import Sequences


def is_arm(data: Sequences, truth: Mapping[str, np.ndarray]) -> bool:
    """Whether the ground truth is that of two joints, and the observations are their angles or pictures."""
    joints = (*data.observations.shape[:2], 2)
    if any(name not in truth or truth[name].shape != joints for name in ("angles", "velocities")):
        return False
    return _sees_angles(data) or data.observations.dtype == torch.uint8


def evaluate_joints(
    model: WorldModel, data: Sequences, truth: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, float]:
    """The figures of Table 4.2 for held-out sequences of an arm of two joints, seen by its joint angles or a camera.

    R^2 is that of the wrist's angle and both velocities themselves, and of the shoulder's angle (Table 4.2a); for
    pictures, which cannot tell how often it has turned, of the sine and cosine of the shoulder's angle, their mean
    (Table 4.2b). The ``_neighbours`` figures ask whether a velocity is a function of z at all, in whatever chart.

    Squared errors are per observation dimension, pictures in [0, 1], against the noise-free observation ``clean`` where
    it was recorded. Where it was not, they are against the observations themselves: the arm's camera has no noise, and
    a camera that has some leaves its variance in every squared error here, ``mse_reconstruction`` included.

    Args:
        model: a trained model.
        data: held-out sequences.
        truth: ``angles`` (rad) and ``velocities`` (rad/s), each ``[N, T, 2]``, and perhaps ``clean``, which counts if
            it has the observations' shape.
        seed: for the sampled first states and the one-sample ELBO.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    smoothed = smooth(model, data).mean
    latents = smoothed[..., : model.latent_size]
    states = latents.flatten(0, 1).cpu().numpy()
    (shoulder, wrist), (shoulder_speed, wrist_speed) = (
        truth[name].reshape(-1, 2).T for name in ("angles", "velocities")
    )
    nearest = nearest_elsewhere(latents)
    frames = _noise_free(data, truth)
    errors = sequence_errors(model, predict_states(model, data, generator), frames)
    direct = _sees_angles(data)
    return {
        "r2_shoulder": (ols_r2 if direct else angle_r2)(states, shoulder),
        "r2_wrist": ols_r2(states, wrist),
        "r2_shoulder_velocity": ols_r2(states, shoulder_speed),
        "r2_wrist_velocity": ols_r2(states, wrist_speed),
        "r2_shoulder_velocity_neighbours": r2_of_means(nearest, torch.from_numpy(shoulder_speed)),
        "r2_wrist_velocity_neighbours": r2_of_means(nearest, torch.from_numpy(wrist_speed)),
        "mse_predict_mean": float(errors.mean()),
        "mse_predict_median": float(errors.median()),
        "mse_mean_observation" if direct else "mse_mean_image": mean_frame_error(model, frames),
        "mse_reconstruction": mean_error(model, smoothed.float(), frames),
        "test_elbo_per_step": elbo_per_step(model, data, generator),
    }


def _sees_angles(data: Sequences) -> bool:
    return data.observations.is_floating_point() and data.observations.shape[2:] == (2,)


def _noise_free(data: Sequences, truth: Mapping[str, np.ndarray]) -> Tensor:
    clean = truth.get("clean")
    if clean is None or clean.shape != data.observations.shape:
        return data.observations
    return torch.from_numpy(clean)
