"""Sigma waits for the dynamics: it falls no further while what they do not foresee has grown too much.

The likelihood of a picture counts an error by the square of 1 / sigma. Pictures without noise are drawn ever more
exactly, so that sigma falls, positions are told ever more exactly, and the dynamics have to foresee them so. Where
they cannot, the rate rises instead, and the encoder gives up what they did foresee (docs/ekvae.md). A departure from
the source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SMOOTHING = 0.98
"""Of the rate, what a step keeps of the steps before."""


@dataclass
class Sharpening:
    """Whether sigma may fall, from step to step.

    Args:
        growth: times what the rate was when sigma was released, up to which it may; 0: always.
        rate: smoothed, in nats, a float64 without dimensions; NaN before the first step.
        held: what it was at the last step at which sigma was held; NaN if there was none, then sigma may fall.
    """

    growth: float
    rate: Tensor | float = math.nan
    held: Tensor | float = math.nan

    def __post_init__(self) -> None:
        self.rate, self.held = (torch.as_tensor(value, dtype=torch.float64) for value in (self.rate, self.held))

    def see(self, rate: Tensor, released: Tensor) -> Tensor:
        """Whether sigma may fall in this step, a bool without dimensions.

        Args:
            rate: of the batch, ``[B]`` in nats.
            released: whether sigma is no longer held, a bool without dimensions.
        """
        now, before, held = rate.mean().double(), torch.as_tensor(self.rate), torch.as_tensor(self.held)
        smoothed = torch.where(before.isnan(), now, SMOOTHING * before + (1 - SMOOTHING) * now)
        # One batch that is infinite is no reason to wait for ever.
        self.rate = torch.where(now.isfinite(), smoothed, before)
        self.held = torch.where(released, held, self.rate)
        if not self.growth:
            return torch.ones_like(released)
        # A rate that is estimated from samples may lie below zero.
        return ~(self.rate > self.held + (self.growth - 1) * self.held.abs())

    def to(self, device: torch.device) -> None:
        """Go on on ``device``."""
        self.rate, self.held = (torch.as_tensor(value).to(device) for value in (self.rate, self.held))

    def state(self) -> dict[str, float]:
        """What changes, for a checkpoint."""
        return {"rate": float(self.rate), "held": float(self.held)}
