"""How good a static model is, measured on held-out frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from latentrl.data_collection.storage import METADATA, load_ground_truth, load_metadata, load_sequences
from latentrl.envs import coordinates_of
from latentrl.envs.coordinates import Coordinate, positions
from latentrl.geometry.flatness import flatness_figures
from latentrl.geometry.metric import metric_tensor
from latentrl.metrics.coordinates import coordinate_r2, coordinate_values
from latentrl.metrics.drawing import drawing_figures
from latentrl.metrics.likelihood import active_units, log_likelihood
from latentrl.models.base import GenerativeModel
from latentrl.models.over_data import single_frames
from latentrl.models.statics.base import StaticModel
from latentrl.numerics.circles import polar_angle_error
from latentrl.types import Sequences, is_image

AT_ONCE = 1000
"""Frames that are looked at together."""
LIKELIHOOD_VALUES, FEWEST = 25_600, 20
"""Observation values of the frames whose likelihood is estimated, a hundred small pictures; and frames, at least."""


def evaluate_static(model: GenerativeModel, folder: Path, seed: int = 0) -> dict[str, float]:
    """All figures of a static model on the ``test`` split of a data folder, by name; see :func:`static_figures`.

    Raises:
        UserError: no such data folder or split.
    """
    assert isinstance(model, StaticModel)
    metadata = load_metadata(folder)
    data = load_sequences(folder, "test", next(model.parameters()).device, metadata)
    truth, coordinates = load_ground_truth(folder, "test", metadata), coordinates_of(metadata, str(folder / METADATA))
    return static_figures(model, data, truth, coordinates, seed)


@torch.no_grad()
def static_figures(
    model: StaticModel,
    data: Sequences,
    truth: Mapping[str, NDArray[np.floating]],
    coordinates: Sequence[Coordinate],
    seed: int = 0,
) -> dict[str, float]:
    """All figures of a static model on held-out frames, by name; what is in nats is per frame.

    ``r2_NAME`` of the angles and lines among the coordinates; of angles and two latent dimensions ``polar_error_NAME``
    (Table 3.1); of two or more how flat their space is, ``condition_number`` and ``magnification_spread`` (section
    5.2.3: 1 and 0 where it is); ``test_bound`` is the bound that was trained, ``test_rate`` and ``test_distortion`` are
    its parts and ``test_log_likelihood`` the estimate of Table 3.2, of at most `LIKELIHOOD_VALUES` values;
    ``active_units``; ``mse_reconstruction`` per observation dimension beside that of the mean picture, and
    ``undrawn_share`` of the two.

    Args:
        model: a trained model.
        data: held-out sequences.
        truth: what the environment recorded, each entry ``[N, T, ...]``.
        coordinates: the entries of ``truth`` that describe the state.
        seed: of all that is drawn.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device=device).manual_seed(seed)
    frames = single_frames(data)
    pieces = [frames[start : start + AT_ONCE] for start in range(0, len(frames), AT_ONCE)]
    terms = [model.rate_distortion(piece, generator) for piece in pieces]
    rate, distortion = (float(torch.cat(column).mean()) for column in list(zip(*terms, strict=True))[:2])
    latents = torch.cat([model.latents(piece.observations[:, 0], generator) for piece in pieces])
    told = positions(coordinates)
    means = torch.cat([model.means(piece.observations[:, 0]) for piece in pieces])
    shaped = latents.unflatten(0, data.observations.shape[:2])
    figures = {
        name: value
        for name, value in coordinate_r2(shaped, model.position_size, truth, told).items()
        if not name.endswith("_dims")
    }
    if model.position_size == 2:
        plane = latents.cpu().numpy()
        for name, angle in coordinate_values(
            truth, [one for one in told if one.kind == "angle"], data.observations.shape[:2]
        ).items():
            figures[f"polar_error_{name}"] = polar_angle_error(plane, angle)
    some = frames.observations[:, 0]
    wanted = max(FEWEST, LIKELIHOOD_VALUES // some[0].numel())
    every = -(-len(some) // wanted)
    some = some[::every]
    if model.position_size > 1:
        figures |= flatness_figures(metric_tensor(model.decode, latents[::every]))
    figures |= {
        "test_bound": -rate - distortion,
        "test_rate": rate,
        "test_distortion": distortion,
        "test_log_likelihood": float(log_likelihood(model, some, generator).mean()),
        "active_units": float(active_units(means)),
    }
    errors = _errors(model, data, latents, frames)
    return figures | errors | drawing_figures(data, *errors.values())


def _errors(model: StaticModel, data: Sequences, latents: torch.Tensor, frames: Sequences) -> dict[str, float]:
    seen = [model.to_unit(frames.observations[start : start + AT_ONCE, 0]) for start in range(0, len(frames), AT_ONCE)]
    mean = torch.stack([piece.sum(0) for piece in seen]).sum(0) / len(frames)
    drawn = latents.split(AT_ONCE)
    left = sum(float((model.decode(some) - piece).square().sum()) for some, piece in zip(drawn, seen, strict=True))
    spread = sum(float((mean - piece).square().sum()) for piece in seen)
    values = len(frames) * mean.numel()
    yardstick = "mse_mean_image" if is_image(data.observations) else "mse_mean_observation"
    return {"mse_reconstruction": left / values, yardstick: spread / values}
