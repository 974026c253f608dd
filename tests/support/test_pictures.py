"""Pictures whose stored pixels are not what people see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from latentrl.support.pictures import amiss

ALPHA = np.full((4, 6), 255, np.uint8)
ONE_OFF = ALPHA.copy()
ONE_OFF[2, 3] = 254


def stored(image: Image.Image, form: str = "PNG", **how: object) -> Image.Image:
    """As it is after it was saved and opened."""
    file = io.BytesIO()
    image.save(file, form, **how)
    return Image.open(io.BytesIO(file.getvalue()))


def with_alpha(alpha: np.ndarray, mode: str) -> Image.Image:
    """Black, with this opacity."""
    image = Image.new(mode[:-1], (6, 4))
    image.putalpha(Image.fromarray(alpha))
    assert image.mode == mode
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_one_transparent_pixel_is_amiss_and_opaque_ones_are_not(mode: str) -> None:
    assert amiss(stored(with_alpha(ALPHA, mode))) is None
    found = amiss(stored(with_alpha(ONE_OFF, mode)))
    assert found is not None and "has transparent pixels" in found


@pytest.mark.parametrize(("mode", "colour"), [("P", 0), ("L", 0), ("RGB", (0, 0, 0))])
@pytest.mark.parametrize("shown", [True, False])
def test_a_transparent_colour_is_amiss_where_a_pixel_has_it(
    mode: str, colour: int | tuple[int, int, int], shown: bool
) -> None:
    image = Image.new(mode, (6, 4), colour if shown else 1)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 200, 200])
    opened = stored(image, transparency=colour)
    assert opened.has_transparency_data and (amiss(opened) is not None) is shown


def test_the_cure_is_one() -> None:
    image = stored(with_alpha(ONE_OFF, "RGBA"))
    background = Image.new("RGBA", image.size, "white")
    assert amiss(stored(Image.alpha_composite(background, image.convert("RGBA")).convert("RGB"))) is None
