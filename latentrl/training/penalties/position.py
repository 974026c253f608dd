"""Alignment: a penalty that starts the position where the pictures' leading components are.

Strongly blurred, a picture changes almost linearly with where things are, so its leading principal components are a
chart of the position that needs no label. While sigma is held, the encoder is drawn towards positions from which those
components are *linearly* predictable (docs/ekvae.md). A departure from the source.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameEncoder, Sampled, StateSampler
from latentrl.numerics.blur import blur
from latentrl.numerics.least_squares import unexplained
from latentrl.numerics.pieces import evenly_spread
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import TrainSettings

LARGEST_SIDE, COARSE_SIDE = 32, 16
"""Larger images are averaged down first: little is left of their detail in a strong blur, and components of few pixels
are found soon."""
PIECE = 2**20
"""Pixel values that are blurred at once, so that no floating-point copy of the data set is needed."""


class PositionPenalty(Penalty):
    """The share of the target's components that no linear map of the position predicts, while sigma is held.

    For models that read the position off frames alone, or draw frames from it alone: where a whole state is decoded it
    harms the velocity (docs/dvbs.md).
    """

    reads_states = True

    def __init__(self, model: GenerativeModel, target: PositionTarget, weight: float, until: int) -> None:
        self.model, self.target, self.weight, self.until = model, target, weight, until

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> PositionPenalty | None:
        if not has_position(model):
            return None
        # A start on a chart says later where the position is to be.
        wanted = settings.alignment > 0 and (target.components is not None or settings.warm_start > 0)
        return cls(model, target, settings.alignment, settings.sigma_hold) if wanted else None

    @classmethod
    def described(cls, settings: TrainSettings) -> str | None:
        if not settings.alignment > 0:
            return None
        held = min(settings.sigma_hold, settings.steps)
        return f"{settings.alignment:g} nats of what the position does not tell of its target, for {held} steps"

    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        components = self.target.components
        if components is None or step.number > self.until:
            return None
        positions = sampled.positions
        if positions is None:
            assert isinstance(self.model, FrameEncoder)
            positions = self.model.encode(step.batch.observations).mean
        aim = components[step.index, : positions.shape[1]]
        return self.weight * unexplained(positions.flatten(0, 1), aim.flatten(0, 1))


def has_position(model: GenerativeModel) -> bool:
    """Whether ``model`` tells its positions: one that encodes frames, or samples states that are split."""
    splits = isinstance(model, StateSampler) and model.position_size < model.latent_size
    return splits or isinstance(model, FrameEncoder)


def leading_components(observations: Tensor, count: int, width: float = 0.25, sample: int = 2000) -> Tensor:
    """The first principal components of blurred images, each with unit variance.

    Args:
        observations: ``[N, T, H, W, C]`` uint8.
        count: components, at most ``sample``.
        width: standard deviation of the blur as a fraction of the height.
        sample: frames, evenly spread, that the components are estimated from.

    Returns:
        ``[N, T, count]`` float32.
    """
    flat = observations.flatten(0, 1)
    length = max(1, PIECE // math.prod(flat.shape[1:]))
    basis_frames = torch.cat([_blurred(piece, width) for piece in evenly_spread(flat, sample).split(length)])
    mean = basis_frames.mean(0)
    basis = torch.linalg.svd(basis_frames - mean, full_matrices=False).Vh[:count].T
    # Filled in, not concatenated: between the small results of many pieces, the heap has no room for the next frames.
    components = torch.empty(len(flat), basis.shape[1], device=flat.device)
    for found, piece in zip(components.split(length), flat.split(length), strict=True):
        torch.matmul(_blurred(piece, width) - mean, basis, out=found)
    return (components / components.std(0)).unflatten(0, observations.shape[:2])


def _blurred(frames: Tensor, width: float) -> Tensor:
    images = _coarse(frames.float() / 255)
    return blur(images, width * images.shape[-3]).flatten(1)


def _coarse(images: Tensor) -> Tensor:
    """Images ``[N, H, W, C]``, large ones averaged down to sides of at most ``COARSE_SIDE`` pixels."""
    height, width = images.shape[1:3]
    if max(height, width) <= LARGEST_SIDE:
        return images
    scale = COARSE_SIDE / max(height, width)
    size = max(1, round(scale * height)), max(1, round(scale * width))
    return adaptive_avg_pool2d(images.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1)
