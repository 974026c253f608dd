"""What a picture's header says, checked before any pixel of it is read."""

from __future__ import annotations

from PIL import Image

ORIENTATION = 0x0112
"""EXIF's tag of how a picture is to be turned when it is shown."""
UPRIGHT = (None, 1)
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of more than eight bits, which conversion to eight cuts off in place of scaling."""


def amiss(image: Image.Image) -> str | None:
    """Why the pixels of a picture, as they are stored, are not what people see; None where they are.

    Args:
        image: opened, not read.

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
    return None
