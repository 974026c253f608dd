"""Pictures of discs in a wide field: what moves far is told by no linear map of them."""

from __future__ import annotations

import torch
from torch import Tensor


def disc(down: Tensor, across: Tensor, height: int, width: int, spread: float) -> Tensor:
    """Pictures ``[..., height, width]`` in [0, 1] of a blurred disc at pixels ``down`` and ``across [...]``."""
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width)
    squared = (rows - down[..., None, None]).square() + (columns - across[..., None, None]).square()
    return torch.exp(-squared / spread)


def drawn(places: Tensor, height: int = 12, width: int = 40) -> Tensor:
    """Pictures ``[N, T, height, width, 1]`` of a small disc at ``places [N, T, 2]`` in [-1, 1], down and across."""
    down, across = ((places + 1) / 2 * torch.tensor([height - 1.0, width - 1.0])).unbind(-1)
    return (255 * disc(down, across, height, width, 3.0)).byte().unsqueeze(-1)
