"""A penalty that makes the latent space flat: the flat manifold VAE's (Latent Matters, section 5.2.2, Eq. 5.14-5.16).

The decoder's metric is drawn to ``c^2 1`` at points on lines through pairs of encoded frames. As a part of the rate,
its weight is beta eta: it grows as beta does, Algorithm 4. Here no random number is drawn for it: a batch is drawn
anyway, so that frame i is paired with the one half a batch away, and the shares rho of a step are spread evenly over
their range and moved on from step to step, but for steps that wait for the constraint: there batches alone differ.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.geometry.flatness import bentness, mixup, relative_bentness
from latentrl.geometry.metric import metric_tensor
from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder, Sampled
from latentrl.numerics.pieces import KEPT
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.position_target import PositionTarget
from latentrl.training.settings import FlatPart, TrainSettings

POINTS = 100
"""Points of a step at which the metric is looked at, at most: a batch of the static models'."""
BEYOND = 0.2
"""rho_0, how far beyond the points shares reach; the source names no number."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""What shares move on by: multiples of it cover their range evenly, however many there are."""


class FlatPenalty(Penalty):
    """eta times the mean of ``||G / c^2 - 1||_F^2``, for each frame; or as the source has it, of ``||G - c^2 1||_F^2``.

    For models that read positions off frames and draw frames from them.
    """

    needs: ClassVar[tuple[type, ...]] = (FrameEncoder, FrameDecoder)
    reads_states = True
    model: GenerativeModel
    weight: float
    absolute: bool
    without: FlatPart | None

    def __init__(
        self, model: GenerativeModel, weight: float, absolute: bool = False, without: FlatPart | None = None
    ) -> None:
        self.model, self.weight, self.absolute, self.without = model, weight, absolute, without

    @classmethod
    def of(cls, model: GenerativeModel, settings: TrainSettings, target: PositionTarget) -> FlatPenalty | None:
        if not settings.flat > 0:
            return None
        return cls(model, settings.flat, settings.flat_absolute, settings.flat_without)

    @classmethod
    def described(cls, settings: TrainSettings) -> str | None:
        if not settings.flat > 0:
            return None
        if settings.flat_without == "scale":
            return f"{settings.flat:g} nats a frame of how large the decoder's metric is, in the observations' units"
        unit = "in the observations' units" if settings.flat_absolute else "in units of c^2"
        told = f"{settings.flat:g} nats a frame of how far the decoder's metric is from c^2 1, {unit}"
        return f"{told}; at encoded frames alone" if settings.flat_without == "mixup" else told

    def __call__(self, sampled: Sampled, step: Step) -> Tensor | None:
        points = self.points(sampled, step)
        assert isinstance(self.model, FrameDecoder)
        metric = metric_tensor(self.model.decode, points)
        return self.weight * step.batch.length * step.beta * self._bent(metric)

    def _bent(self, metric: Tensor) -> Tensor:
        if self.without == "scale":
            return bentness(metric, metric.new_zeros(()))  # of no scale, there is no other unit than the observations'
        return bentness(metric) if self.absolute else relative_bentness(metric)

    def points(self, sampled: Sampled, step: Step) -> Tensor:
        """Where the metric is looked at in a step, ``[P, Da]``, float32."""
        positions = sampled.positions
        if positions is None and sampled.states is not None:
            positions = sampled.states[..., : self.model.position_size]
        if positions is None:
            assert isinstance(self.model, FrameEncoder)
            positions = self.model.encode(step.batch.observations).mean
        flat = positions.flatten(0, -2).float()
        total, values = len(flat), math.prod(self.model.spec.observation_shape)
        count = max(1, min(POINTS, total, KEPT // values))
        number = torch.as_tensor(step.number, dtype=torch.float64, device=flat.device)
        # Other frames of the same sequences at the next step.
        chosen = (torch.arange(count, device=flat.device) * total // count + number.long()) % total
        some = flat[chosen]
        if self.without == "mixup":
            return some
        spread = (torch.arange(count, device=flat.device) + 0.5) / count + GOLDEN * number
        share = ((1 + 2 * BEYOND) * spread.remainder(1.0) - BEYOND).to(flat.dtype)
        return mixup(some, some.roll(count // 2, 0), share)
