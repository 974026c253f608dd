"""Systems whose sizes are known by construction: a spring, a wheel, two wheels, a thing on a table."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentrl.types import Sequences


def moved(
    count: int, length: int, size: int, pull: float = 0.0, push: float = 0.02, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Positions ``[N, T, size]`` pulled to zero and pushed by actions in [-1, 1], which are the other result."""
    generator = torch.Generator().manual_seed(seed)
    place = 2 * torch.rand(count, size, generator=generator) - 1
    speed = 0.3 * (2 * torch.rand(count, size, generator=generator) - 1)
    actions = 2 * torch.rand(count, length - 1, size, generator=generator) - 1
    places = [place]
    for action in actions.unbind(1):
        speed = speed - pull * place + push * action
        place = place + speed
        places.append(place)
    return torch.stack(places, 1), actions


def driven(count: int, length: int, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """As :func:`moved`, but the actions are the velocities."""
    generator = torch.Generator().manual_seed(seed)
    place = 2 * torch.rand(count, 1, size, generator=generator) - 1
    actions = 2 * torch.rand(count, length - 1, size, generator=generator) - 1
    return torch.cat((place, place + 0.15 * actions.cumsum(1)), 1), actions


def turned(angles: Tensor) -> Tensor:
    """Cosine and sine of each of ``angles [..., D]``."""
    return torch.cat((angles.cos(), angles.sin()), -1)


def noisy(values: Tensor, deviation: float | Tensor, seed: int = 1) -> Tensor:
    """``values`` with independent normal noise, of one ``deviation`` or of each dimension's own."""
    return values + deviation * torch.randn(values.shape, generator=torch.Generator().manual_seed(seed))


def drawn(places: Tensor, noise: float = 0.0, size: int = 24) -> Tensor:
    """Pictures ``[N, T, size, size, 1]`` uint8 of a bright thing at ``places [N, T, 2]``, folded into [-1, 1]."""
    folded = 1 - (((places + 1) % 4) - 2).abs()
    middle = (size - 1) / 2 + 0.3 * size * folded
    rows = torch.arange(size, dtype=torch.float32)
    apart = [(rows - middle[..., axis, None]).square() for axis in (0, 1)]
    light = 0.1 + 0.8 * torch.exp(-(apart[0].unsqueeze(-1) + apart[1].unsqueeze(-2)) / (2 * 2.0**2))
    return (255 * noisy(light, noise)).round().clamp(0, 255).to(torch.uint8).unsqueeze(-1)


def spring(noise: float = 0.0) -> Sequences:
    """A mass on a spring: one line, 20 steps in a period."""
    places, actions = moved(200, 20, 1, pull=(2 * math.pi / 20) ** 2)
    return Sequences(noisy(places, noise), actions)


def wheel(noise: float = 0.0) -> Sequences:
    """A turning wheel: one ring."""
    places, actions = moved(200, 20, 1)
    return Sequences(noisy(turned(math.pi * places), noise), actions)


def wheels() -> Sequences:
    """Two: a torus."""
    places, actions = moved(250, 20, 2)
    return Sequences(turned(math.pi * places), actions)


def table(noise: float = 0.0) -> Sequences:
    """A thing on a table, seen from above: a plane, in pictures."""
    places, actions = moved(250, 16, 2, pull=0.05)
    return Sequences(drawn(places, noise), actions)


def joints() -> Sequences:
    """Three joints, each anywhere at first: the readings fill their space, and each sequence a little of it."""
    places, actions = moved(100, 20, 3, push=0.004)
    still = places[:, :1] + 0.05 * (places - places[:, :1])
    return Sequences(noisy(still, 1e-3), actions)


def robot(hurry: float = 1.0) -> Sequences:
    """Two joints driven by torques: cosines, sines, velocities in rad/s and a load in N, in the thousands.

    A step takes ``0.05 * hurry`` seconds.
    """
    generator = torch.Generator().manual_seed(0)
    angle, speed = 2 * math.pi * torch.rand(100, 2, generator=generator), torch.randn(100, 2, generator=generator)
    actions = 2 * torch.rand(100, 49, 2, generator=generator) - 1
    step = 0.01 * hurry
    readings: list[torch.Tensor] = []
    for torque in (torch.zeros(100, 2), *actions.unbind(1)):
        for _ in range(5 if readings else 0):
            speed = speed + step * (4 * torque - 3 * angle.sin() - 0.3 * speed)
            angle = angle + step * speed
        load = (2000 * angle.sin() + 300 * speed.square()).sum(-1, keepdim=True)
        readings.append(torch.cat((turned(angle), speed, load), -1))
    return Sequences(torch.stack(readings, 1), actions)
