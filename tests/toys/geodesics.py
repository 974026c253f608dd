"""A way to find geodesics: the line itself, pulled tight by gradient descent on its energy."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.geometry.geodesics.base import Curves, check_ends
from latentrl.geometry.metric import Decoder, chord, curve_length

POINTS = 17


class ToyGeodesics:
    """It needs no nodes."""

    def __init__(self, decoder: Decoder, nodes: Tensor | None = None) -> None:
        self.decoder = decoder

    def __call__(self, start: Tensor, end: Tensor) -> Curves:
        check_ends(start, end)
        inner = chord(start, end, POINTS)[:, 1:-1].clone().requires_grad_()
        optimiser = torch.optim.LBFGS([inner], max_iter=200, line_search_fn="strong_wolfe")

        def curve() -> Tensor:
            return torch.cat((start.unsqueeze(1), inner, end.unsqueeze(1)), 1)

        def energy() -> Tensor:
            optimiser.zero_grad()
            lost = self.decoder(curve()).diff(dim=1).square().sum()
            lost.backward()
            return lost

        with torch.enable_grad():
            optimiser.step(energy)
        found = curve().detach()
        return Curves(found, curve_length(self.decoder, found))
