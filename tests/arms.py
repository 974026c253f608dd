"""Pictures of a two-link arm, without a simulator."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrl.types import Sequences

LINK, WIDTH, WRIST = 0.45, 0.06, 2.4


def draw_arms(angles: Tensor, size: int = 32, width: float = WIDTH) -> Tensor:
    """``angles [..., 2]`` of shoulder and wrist -> ``[..., size, size, 1]`` uint8: soft dots along both links."""
    shoulder, forearm = angles[..., 0], angles.sum(-1)
    along = torch.linspace(0.1, 1, 8) * LINK
    upper = torch.stack((shoulder.cos(), shoulder.sin()), -1).unsqueeze(-2)
    lower = torch.stack((forearm.cos(), forearm.sin()), -1).unsqueeze(-2)
    dots = torch.cat((along[:, None] * upper, LINK * upper + along[:, None] * lower), -2)
    axis = torch.linspace(-1, 1, size)
    near = [torch.exp(-0.5 * ((dots[..., i, None] - axis) / width).square()) for i in (0, 1)]
    bright = torch.einsum("...kx,...ky->...yx", near[0], near[1]).clamp(max=1)
    return (255 * bright).round().to(torch.uint8).unsqueeze(-1)


def wander(sequences: int, length: int, seed: int = 0, size: int = 32) -> tuple[Sequences, Tensor]:
    """Pictures of arms under random accelerations ``[N, T - 1, 2]``, and their angles ``[N, T, 2]``."""
    g = torch.Generator().manual_seed(seed)
    angle = torch.rand(sequences, 2, generator=g) * torch.tensor([2 * torch.pi, 2 * WRIST]) - torch.tensor([0, WRIST])
    velocity = 0.1 * torch.randn(sequences, 2, generator=g)
    actions = torch.randn(sequences, length - 1, 2, generator=g)
    angles = [angle]
    for action in actions.unbind(1):
        velocity = 0.95 * velocity + 0.03 * action
        angle = angle + velocity
        velocity[:, 1] = torch.where(angle[:, 1].abs() > WRIST, -velocity[:, 1], velocity[:, 1])
        angle = torch.stack((angle[:, 0], angle[:, 1].clamp(-WRIST, WRIST)), -1)
        angles.append(angle)
    found = torch.stack(angles, 1)
    return Sequences(draw_arms(found, size), actions), found


def explained(inputs: Tensor, target: Tensor) -> float:
    """R^2 of a linear map from ``inputs [N, K]`` to ``target [N]``."""
    design = torch.cat((inputs, torch.ones_like(inputs[:, :1])), 1).double()
    wanted = target.double().unsqueeze(1)
    left = wanted - design @ torch.linalg.lstsq(design, wanted).solution
    return 1 - float(left.var() / wanted.var())
