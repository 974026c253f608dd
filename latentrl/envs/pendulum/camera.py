"""What the pendulum's camera sees: 16 x 16 grey pixels drawn from the angle alone, then sensor noise.

Intensities run from 0 (black) to 1 (full scale). The scene is ``BLACK_LEVEL + (1 - BLACK_LEVEL) * shape``, so that the
noise on the dark background is not cut off at zero (docs/environments.md).
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Picture = Literal["blob", "rod"]
PICTURES: tuple[str, ...] = get_args(Picture)

SIZE = 16
CENTRE = (SIZE - 1) / 2
BLACK_LEVEL = 0.04
BLOB_RADIUS = 4.0
BLOB_WIDTH = 2.0
ROD_LENGTH = 6.0
ROD_WIDTH = 0.5

BLOCK = 128  # frames drawn at once: their arrays stay in a core's cache

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


def photograph(
    angle: NDArray[np.float64], picture: Picture, noise: float, rng: np.random.Generator
) -> tuple[Images, Images]:
    """Photograph pendulums.

    The noise is added before rounding, fresh for every pixel of every frame.

    Args:
        angle: ``[N]`` rad; 0 points up, counter-clockwise is positive.
        picture: what to draw, see :func:`draw`.
        noise: standard deviation as a fraction of full scale; 0 takes nothing from ``rng``.
        rng: source of the noise.

    Returns:
        The noisy and the noise-free photograph, each uint8 ``[N, 16, 16, 1]``.
    """
    noisy = np.empty((len(angle), SIZE, SIZE, 1), dtype=np.uint8)
    clean = np.empty_like(noisy)
    for start in range(0, len(angle), BLOCK):
        block = slice(start, start + BLOCK)
        scene = draw(angle[block], picture)
        clean[block] = digitise(scene)
        noisy[block] = digitise(scene + 255.0 * noise * gaussian_noise(rng, scene.shape)) if noise else clean[block]
    return noisy, clean


def draw(angle: NDArray[np.float64], picture: Picture) -> Floats:
    """The scene as the lens projects it, before the sensor.

    Args:
        angle: ``[N]`` rad; 0 points up, counter-clockwise is positive.
        picture: "blob", a Gaussian bump of standard deviation 2 px whose centre circles 4 px around the pivot; or
            "rod", a segment of 6 px from the pivot with a Gaussian cross profile of standard deviation 0.5 px.

    Returns:
        Grey levels ``[N, 16, 16]`` float32 from 0 to 255, not rounded.
    """
    right = -np.sin(angle).astype(np.float32)
    up = np.cos(angle).astype(np.float32)
    shape = _blob(right, up) if picture == "blob" else _rod(right, up)
    shape *= np.float32(255.0 * (1.0 - BLACK_LEVEL))
    shape += np.float32(255.0 * BLACK_LEVEL)
    return shape


def digitise(grey: Floats) -> Images:
    """Grey levels ``[N, 16, 16]``, rounded and clipped to uint8 ``[N, 16, 16, 1]``."""
    return np.clip(np.rint(grey), 0.0, 255.0).astype(np.uint8)[..., None]


def gaussian_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Independent standard normal numbers ``[*shape]`` float32, faster than ``rng.standard_normal``.

    Inverse-transform sampling with 16 random bits a number: a table holds 65,536 equally likely quantiles of the normal
    distribution, rescaled to variance 1 exactly. Rounding to grey levels hides that they are discrete.
    """
    bits = np.frombuffer(rng.bytes(2 * int(np.prod(shape))), dtype="<u2").reshape(shape)
    return np.take(_normal_quantiles(), bits)


@cache
def _normal_quantiles() -> Floats:
    """The quantiles at (k + 1/2) / 65,536."""
    inverse = NormalDist().inv_cdf
    lower = np.array([inverse((k + 0.5) / 65_536) for k in range(32_768)])
    table = np.concatenate([lower, -lower[::-1]])
    table = (table / table.std()).astype(np.float32)
    table.setflags(write=False)
    return table


def _pixels() -> Floats:
    """Pixel centres relative to the pivot: columns to the right; reversed, rows upwards."""
    return (np.arange(SIZE) - CENTRE).astype(np.float32)


def _blob(right: Floats, up: Floats) -> Floats:
    """A Gaussian is the product of its row and its column profile: 32 exponentials a frame in place of 256."""
    across = _pixels() - np.float32(BLOB_RADIUS) * right[:, None]
    along = _pixels()[::-1] - np.float32(BLOB_RADIUS) * up[:, None]
    scale = np.float32(-0.5 / BLOB_WIDTH**2)
    return np.exp(scale * along**2)[:, :, None] * np.exp(scale * across**2)[:, None, :]


def _rod(right: Floats, up: Floats) -> Floats:
    """A Gaussian of the distance to the segment: smooth in the angle, so antialiased by construction."""
    x, y = _pixels(), _pixels()[::-1]
    along = (y * up[:, None])[:, :, None] + (x * right[:, None])[:, None, :]
    nearest = np.clip(along, 0.0, np.float32(ROD_LENGTH))
    squared = (y**2)[:, None] + x**2 - nearest * (2.0 * along - nearest)
    return np.exp(np.float32(-0.5 / ROD_WIDTH**2) * squared)
