"""Animations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from latentrl.figures.video import one_palette, side_by_side, write_gif


def test_frames_and_gif(tmp_path: Path) -> None:
    colours = [np.full((4, 4, 3), (value, 0, 255 - value), dtype=np.uint8) for value in (0, 100, 255)]
    frames = [side_by_side({"a": c, "b": np.full((2, 2, 1), 7, np.uint8)}, size=32) for c in colours]
    path = write_gif(tmp_path / "x.gif", frames, 10)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.gif"]
    with Image.open(path) as gif:
        assert (gif.size, gif.info["duration"], gif.info["loop"]) == (frames[0].size, 100, 0)
        assert getattr(gif, "n_frames") == 3  # noqa: B009


def test_one_palette_keeps_what_stands_still_the_same(tmp_path: Path) -> None:
    """Colours that few frames have come out alike in all of them, so that equal pictures are stored once."""
    row, column = np.indices((32, 32))
    ground = np.stack((8 * row, 8 * column, 3 * (row + column)), -1).astype(np.uint8)
    pictures = []
    for step in range(12):
        picture = ground.copy()
        picture[8:12, 2 * step : 2 * step + 4] = (255, 0, 0)
        pictures.append(Image.fromarray(picture))
    frames = one_palette(pictures)
    assert one_palette([]) == []
    shown = [np.asarray(frame.convert("RGB")).astype(int) for frame in frames]
    assert all((frame[20:] == shown[0][20:]).all() for frame in shown)
    error = max(
        np.abs(frame - np.asarray(picture).astype(int)).max() for frame, picture in zip(shown, pictures, strict=True)
    )
    assert error <= 48, "and they are the colours of the pictures"
    small, large = (
        write_gif(tmp_path / f"{name}.gif", chosen, 25) for name, chosen in (("a", frames), ("b", pictures))
    )
    assert small.stat().st_size < large.stat().st_size
