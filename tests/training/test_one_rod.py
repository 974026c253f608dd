"""One rod, drawn at several sizes, with and without the camera's noise: to the recipe it is the same thing.

What a whole training comes to is measured by `tools/rods.py`; here is what it rests on, which takes no training.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from latentrl.envs.pendulum.camera import photograph
from latentrl.geometry.coordinates import read_coordinates
from latentrl.numerics.least_squares import unexplained
from latentrl.training.options import TrainOptions
from latentrl.training.recipes import choose
from latentrl.training.situation import Situation, measure
from latentrl.types import Sequences

SIZES, NOISES = (16, 24, 48, 64), (0.0, 0.01)
RODS = tuple(product(SIZES, NOISES))
SEQUENCES, LENGTH = 40, 15


@cache
def turning() -> np.ndarray:
    """Angles ``[N, T]`` of rods that turn steadily, from anywhere."""
    rng = np.random.default_rng(0)
    start, speed = rng.uniform(-np.pi, np.pi, (SEQUENCES, 1)), rng.uniform(-0.5, 0.5, (SEQUENCES, 1))
    return np.asarray(start + speed * np.arange(LENGTH))


@cache
def rod(size: int, noise: float) -> Sequences:
    frames = photograph(turning().reshape(-1), "rod", noise, np.random.default_rng(1), size)[0]
    images = torch.from_numpy(frames).view(SEQUENCES, LENGTH, size, size, 1)
    return Sequences(images, torch.zeros(SEQUENCES, LENGTH - 1, 1))


@cache
def situation(size: int, noise: float) -> Situation:
    return measure(TrainOptions(device="cpu", progress=False), rod(size, noise))


def told(data: Sequences) -> Tensor:
    """The share of the variance of the angle's cosine and sine that a linear map of the coordinates read off tells."""
    angle = torch.from_numpy(turning()).float().flatten()
    ring = torch.stack((angle.cos(), angle.sin()), -1)
    ring = ring / ring.std(0)
    return 1 - unexplained(read_coordinates(data.observations, 2, 1).flatten(0, 1), ring)


def test_coordinates_read_off_tell_the_angle_equally_well() -> None:
    shares = {one: float(told(rod(*one))) for one in RODS}
    assert min(shares.values()) > 0.99, shares
    assert max(shares.values()) - min(shares.values()) < 0.005, shares


@pytest.mark.parametrize(("size", "noise"), RODS)
def test_no_size_is_another_situation(size: int, noise: float) -> None:
    """The same stages and the same numbers, but for those that weigh the pixels, and the network."""
    small, this = (choose(situation(*one)) for one in ((16, 0.01), (size, noise)))
    assert situation(size, noise).charted is None
    assert list(this.stages) == list(small.stages)
    names = [name for name in vars(this.settings) if name not in ("sigma_floor", "kappa")]
    assert [getattr(this.settings, name) for name in names] == [getattr(small.settings, name) for name in names]


@pytest.mark.parametrize("when", ["start", "floor"])
@pytest.mark.parametrize(("size", "noise"), RODS)
def test_sigma_weighs_an_error_alike(size: int, noise: float, when: str) -> None:
    """What the likelihood of a picture loses where each pixel is off by a share of what varies, in nats."""

    def lost(one: Situation) -> float:
        recipe = choose(one)
        sigma = recipe.model["initial_sigma"] if when == "start" else recipe.settings.sigma_floor
        return one.data.observations[0, 0].numel() * (0.1 * one.deviation) ** 2 / (2 * sigma**2)

    here, small = situation(size, noise), situation(16, 0.01)
    assert here.deviation == pytest.approx(small.deviation, rel=0.05), "the thing drawn is the same"
    assert lost(here) == pytest.approx(lost(small), rel=1e-6)
