"""Coarse to fine: a model first learns from blurred images, then from ever sharper ones.

A blurred image varies smoothly with the position of what it shows, so that the latent space gets its topology before
the detail is learned (docs/ekvae.md). A departure from the source, which trains on sharp images throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from latentrl.numerics.blur import blur
from latentrl.numerics.pieces import evenly_spread, in_pieces

SHARP = 0.25
"""Pixels: a narrower blur changes nothing."""


@dataclass(frozen=True)
class Schedule:
    """When the blur is lowered.

    Attributes:
        width: standard deviation of the first blur as a fraction of the image's height; 0 switches it off.
        start: last training step with the full blur.
        end: first step without blur.
        stages: equal reductions in between, the last of them to no blur. Of large pictures the last is taken in halves,
            for a thin thing would become sharp at once.
    """

    width: float = 0.125
    start: int = 300
    end: int = 1500
    stages: int = 9

    def at(self, step: int, height: int = 1) -> float:
        """The blur's width at ``step``, as a fraction of the image's ``height`` in pixels."""
        if step <= self.start:
            return self.width
        if step >= self.end:
            return 0.0
        passed = (step - self.start) * (self.stages - 1)
        stage = 1 + passed // (self.end - self.start)
        width = self.width * (1 - stage / self.stages)
        if stage < self.stages - 1:
            return width
        halvings = max(0, math.ceil(math.log2(width * height / SHARP)))
        return width / 2 ** math.floor((passed / (self.end - self.start) % 1) * (halvings + 1))


class CoarseToFine:
    """Blurs batches as a :class:`Schedule` says, with mean and variance of the training images kept.

    Args:
        schedule: when and how much.
        observations: the training images ``[N, T, H, W, C]`` uint8.
        device: where the batches will be; where ``observations`` are if None.
        sample: frames, evenly spread, that the mean image and the variances are estimated from; fewer if large.
    """

    def __init__(
        self, schedule: Schedule, observations: Tensor, device: torch.device | None = None, sample: int = 8000
    ) -> None:
        self.schedule = schedule
        self.frames = evenly_spread(observations.flatten(0, 1), sample).to(device or observations.device)
        self.width = -1.0

    def __call__(self, observations: Tensor, step: int) -> Tensor:
        """``observations [B, T, H, W, C]`` uint8 as the model should see them at ``step``."""
        width = self.schedule.at(step, observations.shape[-3])
        if width == 0:
            return observations
        if width != self.width:
            self._prepare(width)
        frames, values = observations.flatten(0, 1), math.prod(observations.shape[2:])
        (blurred,) = in_pieces(self._blur, values, frames, recompute=False)
        return blurred.unflatten(0, observations.shape[:2])

    def _blur(self, frames: Tensor) -> tuple[Tensor]:
        images = frames.float() / 255
        return (self.mean + (blur(images, self.width * images.shape[-3]) - self.blurred_mean) * self.gain,)

    def _prepare(self, width: float) -> None:
        sharp = self.frames.float() / 255
        blurred = blur(sharp, width * sharp.shape[-3])
        self.width, self.mean, self.blurred_mean = width, sharp.mean(0), blurred.mean(0)
        # Without the gain a blurred image would satisfy the constraint before anything is learned.
        ratio = (sharp - self.mean).square().mean() / (blurred - self.blurred_mean).square().mean()
        self.gain = ratio.sqrt()
