"""What the pendulum's camera sees: grey pixels drawn from the angle alone, 16 x 16 unless said otherwise, then noise.

Intensities run from 0 (black) to 1 (full scale). The scene is ``BLACK_LEVEL + (1 - BLACK_LEVEL) * shape``, so that the
noise on the dark background is not cut off at zero (docs/environments.md); on a white background it is 1 minus that.
Lengths are in units of a sixteenth of the picture's width: the pixels of the picture that is 16 wide.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Picture = Literal["blob", "rod"]
PICTURES: tuple[str, ...] = get_args(Picture)
Background = Literal["black", "white"]
BACKGROUNDS: tuple[str, ...] = get_args(Background)

SIZE = 16
SMALLEST, LARGEST = 8, 256
CENTRE = (SIZE - 1) / 2
BLACK_LEVEL = 0.04
BLOB_RADIUS = 4.0
BLOB_WIDTH = 2.0
ROD_LENGTH = 6.0
ROD_WIDTH = 0.5

BLOCK = 128  # frames of 16 x 16 drawn at once: their arrays stay in a core's cache
GAUSS = 0.5 / math.sqrt(3.0)
"""Nodes of Gauss and Legendre's quadrature with two points, in widths of a cell from its middle."""

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


def photograph(
    angle: NDArray[np.float64],
    picture: Picture,
    noise: float,
    rng: np.random.Generator,
    size: int = SIZE,
    background: Background = "black",
) -> tuple[Images, Images]:
    """Photograph pendulums.

    The noise is added before rounding, fresh for every pixel of every frame.

    Args:
        angle: ``[N]`` rad; 0 points up, counter-clockwise is positive.
        picture: what to draw, see :func:`draw`.
        noise: standard deviation as a fraction of full scale; 0 takes nothing from ``rng``.
        rng: source of the noise.
        size: S, height and width in pixels.
        background: "white" inverts the grey levels, before the noise.

    Returns:
        The noisy and the noise-free photograph, each uint8 ``[N, S, S, 1]``.
    """
    noisy = np.empty((len(angle), size, size, 1), dtype=np.uint8)
    clean = np.empty_like(noisy)
    points = len(_points(size))
    block_size = max(1, BLOCK * SIZE**2 // points**2)
    for start in range(0, len(angle), block_size):
        block = slice(start, start + block_size)
        scene = draw(angle[block], picture, size)
        if background == "white":
            scene = np.float32(255.0) - scene
        clean[block] = digitise(scene)
        noisy[block] = digitise(scene + 255.0 * noise * gaussian_noise(rng, scene.shape)) if noise else clean[block]
    return noisy, clean


def draw(angle: NDArray[np.float64], picture: Picture, size: int = SIZE) -> Floats:
    """The scene as the lens projects it, before the sensor, on black.

    A picture of 16 x 16 has the scene's intensity in the middle of each pixel; one of another size the mean over each
    pixel's area, by Gauss and Legendre's quadrature.

    Args:
        angle: ``[N]`` rad; 0 points up, counter-clockwise is positive.
        picture: "blob", a Gaussian bump of standard deviation 2 whose centre circles 4 around the pivot; or "rod", a
            segment of 6 from the pivot with a Gaussian cross profile of standard deviation 0.5: sixteenths of the
            picture's width.
        size: S, height and width in pixels.

    Returns:
        Grey levels ``[N, S, S]`` float32 from 0 to 255, not rounded.
    """
    right = -np.sin(angle).astype(np.float32)
    up = np.cos(angle).astype(np.float32)
    points = _points(size)
    shape = _blob(right, up, points, size) if picture == "blob" else _rod(right, up, points, size)
    shape *= np.float32(255.0 * (1.0 - BLACK_LEVEL))
    shape += np.float32(255.0 * BLACK_LEVEL)
    return shape


def digitise(grey: Floats) -> Images:
    """Grey levels ``[N, S, S]``, rounded and clipped to uint8 ``[N, S, S, 1]``."""
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


@cache
def _points(size: int) -> Floats:
    """Where the scene is looked at along an axis, relative to the pivot: columns to the right; reversed, rows upwards.

    ``[16]``, the pixels' middles, for 16 pixels; else ``[S * 2 K]``, two nodes in each of the K cells of a pixel, which
    are no wider than a sixteenth of the picture.
    """
    if size == SIZE:
        points = (np.arange(SIZE) - CENTRE).astype(np.float32)
    else:
        cells = size * -(-SIZE // size)
        middles = np.arange(cells) + 0.5
        nodes = (middles[:, None] + np.array([-GAUSS, GAUSS])).reshape(-1)
        points = (nodes * (SIZE / cells) - SIZE / 2).astype(np.float32)
    points.setflags(write=False)
    return points


def _pooled(values: Floats, size: int, axis: int) -> Floats:
    """Means of neighbouring values along an axis, so that ``size`` are left."""
    count = values.shape[axis] // size
    if count == 1:
        return values
    first = [slice(None)] * values.ndim
    parts = []
    for start in range(count):
        first[axis] = slice(start, None, count)
        parts.append(values[tuple(first)])
    total = parts[0] + parts[1]
    for part in parts[2:]:
        total += part
    total *= np.float32(1.0 / count)
    return np.asarray(total)


def _blob(right: Floats, up: Floats, points: Floats, size: int) -> Floats:
    """A Gaussian is the product of its row and its column profile: 32 exponentials a frame in place of 256."""
    across = points - np.float32(BLOB_RADIUS) * right[:, None]
    along = points[::-1] - np.float32(BLOB_RADIUS) * up[:, None]
    scale = np.float32(-0.5 / BLOB_WIDTH**2)
    rows = _pooled(np.exp(scale * along**2), size, 1)
    columns = _pooled(np.exp(scale * across**2), size, 1)
    return rows[:, :, None] * columns[:, None, :]


def _rod(right: Floats, up: Floats, points: Floats, size: int) -> Floats:
    """A Gaussian of the distance to the segment: smooth in the angle, so antialiased by construction."""
    x, y = points, points[::-1]
    along = (y * up[:, None])[:, :, None] + (x * right[:, None])[:, None, :]
    nearest = np.clip(along, 0.0, np.float32(ROD_LENGTH))
    squared = (y**2)[:, None] + x**2 - nearest * (2.0 * along - nearest)
    sharp = np.exp(np.float32(-0.5 / ROD_WIDTH**2) * squared)
    return _pooled(_pooled(sharp, size, 1), size, 2)
