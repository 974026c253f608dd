"""Two colour maps that read on white and on black: a cyclic one for angles, a diverging one for signed values."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap


def _oklch(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """sRGB ``[N, 3]`` in [0, 1] of OKLCH colours (Ottosson 2020), hue in radians, clipped to the gamut."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    lms = np.stack(
        (
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ),
        -1,
    )
    to_linear = np.array(
        (
            (4.0767416621, -3.3077115913, 0.2309699292),
            (-1.2684380046, 2.6097574011, -0.3413193965),
            (-0.0041960863, -0.7034186147, 1.7076147010),
        )
    )
    linear = np.clip(lms**3 @ to_linear.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def cyclic(count: int = 256) -> ListedColormap:
    """A colour map that closes on itself, of constant lightness: no angle looks nearer than another."""
    hue = np.linspace(0.0, 2 * np.pi, count, endpoint=False) + np.deg2rad(250)
    return ListedColormap(_oklch(np.full(count, 0.73), np.full(count, 0.122), hue), name="cyclic")


def diverging(count: int = 256) -> ListedColormap:
    """Blue over grey to orange; the grey middle is visible on white and on black."""
    position = np.linspace(-1.0, 1.0, count)
    strength = np.abs(position) ** 0.8
    hue = np.deg2rad(np.where(position < 0, 256.0, 45.0))
    return ListedColormap(_oklch(0.76 - 0.14 * strength, 0.175 * strength, hue), name="diverging")
