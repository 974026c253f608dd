"""How good a model is, measured on held-out sequences: the only room besides evaluation that sees ground truth.

R^2, prediction error and yardsticks follow Latent Matters, 4.4.2 (Table 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentrl.data_collection.storage import load_ground_truth, load_sequences
from latentrl.generation import FEWEST_SEQUENCES, generation_metrics
from latentrl.models.base import WorldModel
from latentrl.types import Belief, Sequences

PREDICTION_CONTEXT = 5
"""Time steps that the first state of a prediction is inferred from: z_1 or z_5 given x_1:5, u_1:4."""


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


def ols_r2(inputs: np.ndarray, target: np.ndarray) -> float:
    """R^2 of an ordinary least squares fit with intercept of ``target [N]`` on ``inputs [N, D]``."""
    design = np.column_stack((np.ones(len(inputs)), inputs)).astype(np.float64)
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ coefficients
    return float(1 - residual.var() / target.var())


def neighbour_r2(inputs: Tensor, target: Tensor, neighbours: int = 10) -> float:
    """R^2 of predicting a point by its nearest neighbours in other sequences: is the target a function of z at all?

    Inputs are whitened first, so that their scale does not matter.

    Args:
        inputs: ``[N, T, D]``.
        target: ``[N, T]``.
        neighbours: how many are averaged; at most the points of N - 1 sequences.
    """
    count, length, _ = inputs.shape
    points, values = inputs.flatten(0, 1).double(), target.flatten().double()
    points = points - points.mean(0)
    deviation, axes = torch.linalg.eigh(points.T @ points / len(points))
    points = (points @ axes) / deviation.clamp(min=1e-12).sqrt()
    guesses = []
    for sequence in range(count):
        own = slice(sequence * length, (sequence + 1) * length)
        distance = torch.cdist(points[own], points)
        distance[:, own] = torch.inf
        guesses.append(values[distance.topk(min(neighbours, len(points) - length), largest=False).indices].mean(-1))
    return float(1 - (values - torch.cat(guesses)).square().mean() / values.var(correction=0))


def angle_r2(inputs: np.ndarray, angle: np.ndarray) -> float:
    """Mean R^2 of sin and cos of ``angle [N]`` (radians), as for a state that is learned as a circle."""
    return 0.5 * (ols_r2(inputs, np.sin(angle)) + ols_r2(inputs, np.cos(angle)))


@torch.no_grad()
def open_loop(model: WorldModel, state: Tensor, actions: Tensor) -> Tensor:
    """States ``[B, T, Dz]`` from ``state [B, Dz]`` by the mean transition under ``actions [B, T - 1, Du]``."""
    states = [state]
    for action in actions.unbind(1):
        states.append(model.transition(states[-1], action).mean)
    return torch.stack(states, 1)


@torch.no_grad()
def predict_images(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T, *shape]`` of all T observations.

    The first state is *sampled* from q(z_1 | x_1:5, u_1:4) (Latent Matters, 4.4.2); the rest uses the true controls.
    """
    context = data.truncate(min(PREDICTION_CONTEXT, data.length))
    belief = model.smooth(context.observations, context.actions)
    first = Belief(belief.mean[:, 0], belief.covariance[:, 0]).sample(generator).float()
    return model.emission(open_loop(model, first, data.actions)).mean


@torch.no_grad()
def predict_filtered_images(model: WorldModel, data: Sequences, generator: torch.Generator) -> Tensor:
    """Open-loop predictions ``[B, T - 4, *shape]`` of x_5:T, from a state sampled from the online filter's z_5.

    For recurrent models the memory has seen x_1:5 too (Latent Matters, 4.4.3). Sequences shorter than five steps are
    filtered to their end.
    """
    steps = min(PREDICTION_CONTEXT, data.length)
    belief = model.initial_belief(data.observations[:, 0])
    for t in range(1, steps):
        belief = model.filter(belief, data.actions[:, t - 1], data.observations[:, t])
    first = belief.sample(generator).float()
    return model.emission(open_loop(model, first, data.actions[:, steps - 1 :])).mean


def evaluate_model(model: WorldModel, folder: Path, seed: int = 0) -> dict[str, float]:
    """The figures of a model on the ``test`` split of a data folder, by name.

    All of :class:`ModelMetrics` where the ground truth has ``angle``, ``velocity`` and ``clean``; the figures of
    :func:`evaluate_joints` where it has ``angles`` and ``velocities`` and the observations are those angles; else the
    test ELBO.
    And the figures of :mod:`latentrl.generation`, where there are sequences enough to compare with.
    """
    device = next(model.parameters()).device
    data = load_sequences(folder, "test").to(device)
    truth = load_ground_truth(folder, "test")
    generator = torch.Generator(device=device).manual_seed(seed)
    if {"angle", "velocity", "clean"} <= truth.keys():
        figures = evaluate_pendulum(model, data, truth, seed).as_dict()
    elif {"angles", "velocities", "clean"} <= truth.keys() and truth["clean"].shape == truth["angles"].shape:
        figures = evaluate_joints(model, data, truth, seed)
    else:
        figures = {"test_elbo_per_step": elbo_per_step(model, data, generator)}
    if len(data) >= FEWEST_SEQUENCES:
        figures |= generation_metrics(model, data, generator)
    return figures


@torch.no_grad()
def elbo_per_step(model: WorldModel, data: Sequences, generator: torch.Generator) -> float:
    """A one-sample estimate of the evidence lower bound per time step, in nats."""
    terms = model.rate_distortion(data, generator)
    return float(-(terms.rate + terms.distortion).mean() / data.length)


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
    generator = torch.Generator(device=data.observations.device).manual_seed(seed)
    smoothed = model.smooth(data.observations, data.actions).mean
    states = smoothed[..., : model.latent_size].flatten(0, 1).cpu().numpy()
    angle, velocity = truth["angle"].ravel(), truth["velocity"].ravel()
    clean = torch.from_numpy(truth["clean"]).to(data.observations.device).float() / 255
    errors = (predict_images(model, data, generator) - clean).square().flatten(1).mean(1)
    reconstruction = model.emission(smoothed.float()).mean
    position = model.position_size
    elbo = elbo_per_step(model, data, generator)
    filtered = predict_filtered_images(model, data, generator)
    filtered_errors = (filtered - clean[:, -filtered.shape[1] :]).square().flatten(1).mean(1)
    return ModelMetrics(
        r2_angle=angle_r2(states, angle),
        r2_velocity=ols_r2(states, velocity),
        r2_velocity_neighbours=neighbour_r2(smoothed[..., : model.latent_size], torch.from_numpy(truth["velocity"])),
        r2_velocity_from_velocity_dims=ols_r2(states[:, position:], velocity),
        r2_angle_from_position_dims=angle_r2(states[:, :position], angle),
        mse_predict_mean=float(errors.mean()),
        mse_predict_median=float(errors.median()),
        mse_predict_filtered_mean=float(filtered_errors.mean()),
        mse_predict_filtered_median=float(filtered_errors.median()),
        mse_mean_image=float((clean - clean.mean((0, 1))).square().mean()),
        mse_reconstruction=float((reconstruction - clean).square().mean()),
        test_elbo_per_step=elbo,
    )


@torch.no_grad()
def evaluate_joints(
    model: WorldModel, data: Sequences, truth: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, float]:
    """The figures of Table 4.2a for held-out sequences of an arm of two joints that is observed by its joint angles.

    R^2 is that of the angles and velocities themselves; squared errors are per angle, against the noise-free ones.

    Args:
        model: a trained model.
        data: held-out sequences.
        truth: ``angles``, ``velocities`` and the noise-free observations ``clean``, each ``[N, T, 2]``.
        seed: for the sampled first states and the one-sample ELBO.
    """
    generator = torch.Generator(device=data.observations.device).manual_seed(seed)
    smoothed = model.smooth(data.observations, data.actions).mean
    states = smoothed[..., : model.latent_size].flatten(0, 1).cpu().numpy()
    angles, velocities = (truth[name].reshape(-1, 2) for name in ("angles", "velocities"))
    clean = torch.from_numpy(truth["clean"]).to(data.observations.device).float()
    errors = (predict_images(model, data, generator) - clean).square().flatten(1).mean(1)
    reconstruction = model.emission(smoothed.float()).mean
    return {
        "r2_shoulder": ols_r2(states, angles[:, 0]),
        "r2_wrist": ols_r2(states, angles[:, 1]),
        "r2_shoulder_velocity": ols_r2(states, velocities[:, 0]),
        "r2_wrist_velocity": ols_r2(states, velocities[:, 1]),
        "mse_predict_mean": float(errors.mean()),
        "mse_predict_median": float(errors.median()),
        "mse_mean_observation": float((clean - clean.mean((0, 1))).square().mean()),
        "mse_reconstruction": float((reconstruction - clean).square().mean()),
        "test_elbo_per_step": elbo_per_step(model, data, generator),
    }
