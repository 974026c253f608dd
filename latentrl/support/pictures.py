"""Whether the pixels of a picture, as they are stored, are what people see."""

from __future__ import annotations

from PIL import Image

ORIENTATION = 0x0112
"""EXIF's tag of how a picture is to be turned when it is shown."""
UPRIGHT = (None, 1)
OPAQUE = 255
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of more than eight bits, which conversion to eight cuts off in place of scaling."""


def amiss(image: Image.Image) -> str | None:
    """Why the pixels of a picture, as they are stored, are not what people see; None where they are.

    Args:
        image: opened, of a size that is expected: where it may be transparent its pixels are read.

    Returns:
        What it is and the cure, as the rest of a sentence.
    """
    frames, turned = getattr(image, "n_frames", 1), image.getexif().get(ORIENTATION)
    if frames != 1:
        return f"holds {frames} frames; save one of them"
    if turned not in UPRIGHT:
        return (
            f"is stored turned (EXIF orientation {turned}); save it as it is to be seen: "
            "PIL.ImageOps.exif_transpose(Image.open(...))"
        )
    # What lies below transparent pixels is nobody's choice: as a rule black.
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != OPAQUE:
        return (
            "has transparent pixels; paste it on its background and save it without: "
            "Image.alpha_composite(background, Image.open(...).convert('RGBA')).convert('RGB')"
        )
    return None
