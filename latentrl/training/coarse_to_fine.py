"""Coarse to fine: a model first learns from blurred images, then from ever sharper ones.

A blurred image varies smoothly with the position of what it shows, so that the latent space gets its topology before
the detail is learned (docs/ekvae.md). A departure from the source, which trains on sharp images throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from latentrl.numerics.blur import blur_by, gaussian_matrix
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

    def reductions(self, height: int = 1) -> list[tuple[int, float]]:
        """The first step of every width, and the width: what :meth:`at` says, in turn."""
        found = [(0, self.at(0, height))]
        for step in range(self.start, self.end + 1):
            if self.at(step, height) != found[-1][1]:
                found.append((step, self.at(step, height)))
        return found


class Blurring(NamedTuple):
    """A blur of one width, and what keeps mean and variance: each may be one of several, ``[S, ...]``.

    Attributes:
        rows: ``[H, H]``.
        columns: ``[W, W]``.
        mean: of the sharp pictures ``[H, W, C]``.
        blurred_mean: of the blurred ones.
        gain: a scalar.
    """

    rows: Tensor
    columns: Tensor
    mean: Tensor
    blurred_mean: Tensor
    gain: Tensor


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
        self.frames: Tensor = evenly_spread(observations.flatten(0, 1), sample).to(device or observations.device)
        self._last: tuple[float, Blurring] | None = None
        self._every: tuple[Tensor, Blurring] | None = None

    def over(self, step: int) -> bool:
        """Whether all is sharp from ``step`` on."""
        return step >= self.schedule.end

    def __call__(self, observations: Tensor, step: int) -> Tensor:
        """``observations [B, T, H, W, C]`` uint8 as the model should see them at ``step``."""
        width = self.schedule.at(step, observations.shape[-3])
        if width == 0:
            return observations
        if self._last is None or width != self._last[0]:
            self._last = width, self._prepare(width)
        return _blurred(observations, self._last[1])

    def at(self, observations: Tensor, step: Tensor) -> Tensor:
        """The same for a ``step`` on the device, an integer without dimensions that is not waited for.

        Sharp images are floating point in [0, 1] as well. See :meth:`prepare`.
        """
        if self._every is None:
            self.prepare()
        assert self._every is not None
        begins, blurrings = self._every
        # How many blurs have begun by now; after the last of them all is sharp.
        now = (begins <= step).sum()
        width = (now - 1).clamp(max=len(blurrings.gain) - 1).unsqueeze(0)
        blurring = Blurring(*(values.index_select(0, width).squeeze(0) for values in blurrings))
        return torch.where(now > len(blurrings.gain), observations.float() / 255, _blurred(observations, blurring))

    def prepare(self) -> None:
        """Make ready for :meth:`at`: the first steps of all widths ``[S + 1]``, the last sharp, and ``S`` blurs."""
        found = self.schedule.reductions(self.frames.shape[-3])
        blurrings = [self._prepare(width) for _, width in found if width > 0]
        begins = torch.tensor([step for step, _ in found], device=self.frames.device)
        self._every = begins, Blurring(*(torch.stack(values) for values in zip(*blurrings, strict=True)))

    def _prepare(self, width: float) -> Blurring:
        sharp = self.frames.float() / 255
        height, across = sharp.shape[-3:-1]
        rows, columns = (gaussian_matrix(size, width * height, sharp.device) for size in (height, across))
        blurred = blur_by(sharp, rows, columns)
        mean, blurred_mean = sharp.mean(0), blurred.mean(0)
        # Without the gain a blurred image would satisfy the constraint before anything is learned.
        ratio = (sharp - mean).square().mean() / (blurred - blurred_mean).square().mean()
        return Blurring(rows, columns, mean, blurred_mean, ratio.sqrt())


def _blurred(observations: Tensor, blurring: Blurring) -> Tensor:
    """``observations [B, T, H, W, C]`` uint8, blurred."""

    def blurred(frames: Tensor) -> tuple[Tensor]:
        images = blur_by(frames.float() / 255, blurring.rows, blurring.columns)
        return (blurring.mean + (images - blurring.blurred_mean) * blurring.gain,)

    frames, values = observations.flatten(0, 1), math.prod(observations.shape[2:])
    (found,) = in_pieces(blurred, values, frames, recompute=False)
    return found.unflatten(0, observations.shape[:2])
