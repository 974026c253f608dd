"""Geodesics as small networks of time, the source's way (Latent Matters, 5.1.2; Chen, Klushyn et al. 2018).

A network for every pair of points maps a time in [0, 1] to a latent point. It is fitted to a Bezier curve first, and
then its Riemannian length is descended at random times, by a metric that is smoothed so that narrow ridges between
two times are not jumped. All pairs are learned at once, and independently of each other, until each gains no more.

Departures: ends are met by adding what is missing, evenly over time, for the source's scaling divides by nothing
where a network's ends coincide and cannot bend a coordinate in which both ends agree (``boundary="scale"`` is the
source's); of the Bezier curves the shortest is fitted, and not each, by least squares in the last layer; the random
times of a step are one in each of as many even parts of [0, 1], so that a few tell a length as well as many.
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
RIDGE = 1e-8
"""Of the fit to the first curve, in mean squares of what the last layer sees."""
MEASURED_EVERY, PATIENCE, SETTLED = 10, 3, 5e-4
"""Steps between two measures of a curve, which is done after so many in a row that shorten it by less than a share."""


@dataclass(frozen=True)
class NetworkOptions:
    """How curves are learned.

    Attributes:
        hidden: units of each of the two layers (Table A.7).
        learning_rate: of Adam (Table A.7).
        times: at which a length is estimated, in every step; 500 in the source (Table A.7), not spread evenly.
        steps: of descent, at most.
        smoothing: lambda_s of Eq. 5.10, in mean squared singular values of the metric on the curve at the start.
        starts: Bezier curves that are tried beside the straight line.
        width: see `latentrl.geometry.geodesics.starts.bezier_curves`.
        boundary: how the ends are met: ``"shift"``, or the source's ``"scale"``.
    """

    hidden: int = 150
    learning_rate: float = 1e-2
    times: int = 16
    steps: int = 100
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
        network.fit(grid, first)
        with torch.no_grad():
            strength = options.smoothing * metric_tensor(decoder, first).square().sum((-1, -2)).mean()
        with torch.enable_grad():
            return self._descend(network, grid, strength / start.shape[-1], generator)

    def _descend(self, network: _Networks, grid: Tensor, strength: Tensor, generator: torch.Generator) -> Curves:
        """The shortest of what comes by, for a length that is estimated at random times goes up and down."""
        decoder, options = self.decoder, self.options
        every = torch.arange(len(grid))
        best, active, idle = self._measured(network, grid, every), every, torch.zeros(len(grid))
        optimiser = torch.optim.Adam(network.weights, options.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
        parts = torch.arange(options.times, dtype=grid.dtype)
        for step in range(1, options.steps + 1):
            drawn = torch.rand(len(grid), options.times, generator=generator, dtype=grid.dtype)
            places, velocity = network((parts + drawn[active]) / options.times, active)
            metric = smoothed(metric_tensor(decoder, places), strength)
            squared = (velocity.unsqueeze(-2) @ metric @ velocity.unsqueeze(-1)).squeeze((-1, -2))
            optimiser.zero_grad()
            (squared + SMALL * strength.sqrt().detach()).clamp(min=1e-20).sqrt().mean(-1).sum().backward()
            optimiser.step()
            schedule.step()
            if step % MEASURED_EVERY == 0 or step == options.steps:
                now, before = self._measured(network, grid, active), best.lengths[active]
                shorter = now.lengths < before
                best.points[active[shorter]] = now.points[shorter]
                best.lengths[active[shorter]] = now.lengths[shorter]
                idle[active] = torch.where(now.lengths < (1 - SETTLED) * before, 0.0, idle[active] + 1)
                # Those that are done cost nothing more.
                active = active[idle[active] < PATIENCE]
                if not len(active):
                    break
        return best

    @torch.no_grad()
    def _measured(self, network: _Networks, grid: Tensor, some: Tensor) -> Curves:
        places = network(grid[some], some)[0]
        places[:, 0], places[:, -1] = network.start[some], network.end[some]
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

    @torch.no_grad()
    def fit(self, times: Tensor, curves: Tensor) -> None:
        """Pre-training: become ``curves [B, K, d]`` at ``times [B, K]``, by the last layer alone."""
        seen = self._seen(times.unsqueeze(-1), self.weights)[0].double()
        products = seen @ seen.mT
        ridge = RIDGE * products.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(times.shape[1])
        found = seen.mT @ torch.linalg.solve(products + ridge, curves.double())
        self.weights[-1].copy_(found)

    def __call__(self, times: Tensor, some: Tensor) -> tuple[Tensor, Tensor]:
        """Points and velocities ``[A, T, d]`` of the curves ``some [A]`` at ``times [A, T]``."""
        ends = torch.tensor([0.0, 1.0], dtype=times.dtype).expand(len(times), 2)
        weights = self.weights if len(some) == len(self.start) else [values[some] for values in self.weights]
        seen, rate = self._seen(torch.cat((ends, times), 1).unsqueeze(-1), weights)
        value, rate = seen @ weights[-1], rate @ weights[-1]
        (first, last), value, rate = value[:, :2].unbind(1), value[:, 2:], rate[:, 2:]
        first, last = first.unsqueeze(1), last.unsqueeze(1)
        start, end = self.start[some].unsqueeze(1), self.end[some].unsqueeze(1)
        if self.boundary == "scale":
            scale = (start - end) / (first - last)
            return scale * value - (start * last - end * first) / (first - last), scale * rate
        time = times.unsqueeze(-1)
        missing_first, missing_last = start - first, end - last
        return value + (1 - time) * missing_first + time * missing_last, rate + missing_last - missing_first

    @staticmethod
    def _seen(time: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What the last layer sees at ``time [A, T, 1]``, and its derivative, ``[A, T, hidden]``."""
        inner, offset, middle, bias, _ = weights
        first = torch.tanh(time * inner + offset)
        second = torch.tanh(first @ middle + bias)
        return second, (1 - second.square()) * (((1 - first.square()) * inner) @ middle)
