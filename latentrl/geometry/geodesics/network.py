"""Geodesics as small networks of time, the source's way (Latent Matters, 5.1.2; Chen, Klushyn et al. 2018).

A network for every pair of points maps a time in [0, 1] to a latent point. It is fitted to a Bezier curve first, and
then its Riemannian length is descended at random times, by a metric that is smoothed so that narrow ridges between
two times are not jumped. All pairs are learned at once, and independently of each other.

Departures: ends are met by adding what is missing, evenly over time, for the source's scaling divides by nothing
where a network's ends coincide and cannot bend a coordinate in which both ends agree (``boundary="scale"`` is the
source's); of the Bezier curves the shortest is fitted, and not each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentrl.geometry.geodesics.base import Curves, check_ends
from latentrl.geometry.geodesics.starts import best_start
from latentrl.geometry.metric import Decoder, curve_length, metric_tensor, smoothed

SMALL = 1e-6


@dataclass(frozen=True)
class NetworkOptions:
    """How curves are learned.

    Attributes:
        hidden: units of each of the two layers (Table A.7).
        learning_rate: of Adam (Table A.7).
        times: at which a length is estimated, in every step; 500 in the source (Table A.7).
        steps: of descent.
        fit_steps: of fitting the Bezier curve.
        smoothing: lambda_s of Eq. 5.10, in mean squared singular values of the metric on the curve at the start.
        starts: Bezier curves that are tried beside the straight line.
        width: see `latentrl.geometry.geodesics.starts.bezier_curves`.
        boundary: how the ends are met: ``"shift"``, or the source's ``"scale"``.
    """

    hidden: int = 150
    learning_rate: float = 1e-2
    times: int = 32
    steps: int = 200
    fit_steps: int = 200
    smoothing: float = 1e-3
    starts: int = 8
    width: float = 0.5
    boundary: Literal["shift", "scale"] = "shift"


class NetworkCurve:
    """A network for each curve, its length estimated at random times (Eq. 5.8) and its ends met (Eq. 5.9).

    Args:
        decoder: whose metric counts; differentiable twice.
        nodes: of no use here.
        points: K, of the curves that are returned.
        options: of the learning.
    """

    decoder: Decoder
    points: int
    options: NetworkOptions

    def __init__(
        self,
        decoder: Decoder,
        nodes: Tensor | None = None,
        points: int = 33,
        options: NetworkOptions | None = None,
    ) -> None:
        self.decoder, self.points, self.options = decoder, points, options or NetworkOptions()

    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        """See `Geodesics`."""
        check_ends(start, end)
        options, decoder = self.options, self.decoder
        generator = torch.Generator().manual_seed(0)
        first = best_start(decoder, start, end, options.starts, self.points, options.width)
        grid = torch.linspace(0, 1, self.points, dtype=start.dtype).expand(len(start), -1)
        network = _Networks(start, end, options, generator)
        with torch.enable_grad():
            _fit(network, grid, first, options)
            with torch.no_grad():
                strength = options.smoothing * metric_tensor(decoder, first).square().sum((-1, -2)).mean()
            best = self._descend(network, grid, strength / start.shape[-1], generator)
        return best

    def _descend(self, network: _Networks, grid: Tensor, strength: Tensor, generator: torch.Generator) -> Curves:
        """The shortest of what comes by, for a length that is estimated at random times goes up and down."""
        decoder, options = self.decoder, self.options
        best = self._measured(network, grid)
        optimiser = torch.optim.Adam(network.weights, options.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
        every = max(1, options.steps // 20)
        for step in range(1, options.steps + 1):
            times = torch.rand(len(grid), options.times, generator=generator, dtype=grid.dtype)
            places, velocity = network(times)
            metric = smoothed(metric_tensor(decoder, places), strength)
            squared = (velocity.unsqueeze(-2) @ metric @ velocity.unsqueeze(-1)).squeeze((-1, -2))
            optimiser.zero_grad()
            (squared + SMALL * strength.sqrt().detach()).clamp(min=1e-20).sqrt().mean(-1).sum().backward()
            optimiser.step()
            schedule.step()
            if step % every == 0:
                now = self._measured(network, grid)
                shorter = now.lengths < best.lengths
                best = Curves(
                    torch.where(shorter[:, None, None], now.points, best.points),
                    torch.where(shorter, now.lengths, best.lengths),
                )
        return best

    @torch.no_grad()
    def _measured(self, network: _Networks, grid: Tensor) -> Curves:
        places = network(grid)[0]
        places[:, 0], places[:, -1] = network.start, network.end
        return Curves(places, curve_length(self.decoder, places))


class _Networks:
    """B networks of two tanh layers from a time to a point, and their derivatives."""

    def __init__(self, start: Tensor, end: Tensor, options: NetworkOptions, generator: torch.Generator) -> None:
        self.start, self.end, self.boundary = start, end, options.boundary
        count, size, hidden = len(start), start.shape[-1], options.hidden

        def drawn(*shape: int, scale: float) -> Tensor:
            values = scale * torch.randn(count, *shape, generator=generator, dtype=start.dtype)
            return values.requires_grad_()

        # Units whose steps lie all over [0, 1].
        self.weights = [
            drawn(1, hidden, scale=3.0),
            drawn(1, hidden, scale=1.5),
            drawn(hidden, hidden, scale=hidden**-0.5),
            drawn(1, hidden, scale=0.1),
            drawn(hidden, size, scale=hidden**-0.5),
        ]

    def __call__(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities ``[B, T, d]`` at ``times [B, T]``."""
        ends = torch.tensor([0.0, 1.0], dtype=times.dtype).expand(len(times), 2)
        value, rate = self._free(torch.cat((ends, times), 1).unsqueeze(-1))
        (first, last), value, rate = value[:, :2].unbind(1), value[:, 2:], rate[:, 2:]
        first, last = first.unsqueeze(1), last.unsqueeze(1)
        start, end = self.start.unsqueeze(1), self.end.unsqueeze(1)
        if self.boundary == "scale":
            scale = (start - end) / (first - last)
            return scale * value - (start * last - end * first) / (first - last), scale * rate
        time = times.unsqueeze(-1)
        missing_first, missing_last = start - first, end - last
        return value + (1 - time) * missing_first + time * missing_last, rate + missing_last - missing_first

    def _free(self, time: Tensor) -> tuple[Tensor, Tensor]:
        inner, offset, middle, bias, outer = self.weights
        first = torch.tanh(time * inner + offset)
        second = torch.tanh(first @ middle + bias)
        rate = (1 - second.square()) * (((1 - first.square()) * inner) @ middle)
        return second @ outer, rate @ outer


def _fit(network: _Networks, grid: Tensor, curves: Tensor, options: NetworkOptions) -> None:
    """Pre-training: ``network`` becomes ``curves [B, K, d]`` at the times ``grid [B, K]``."""
    optimiser = torch.optim.Adam(network.weights, options.learning_rate)
    usual = (curves - curves.mean(1, keepdim=True)).square().mean((1, 2), keepdim=True).clamp(min=1e-12)
    for _ in range(options.fit_steps):
        optimiser.zero_grad()
        ((network(grid)[0] - curves).square() / usual).mean((1, 2)).sum().backward()
        optimiser.step()
