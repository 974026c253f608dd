"""Animations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from latentrl.video import side_by_side, write_gif


def test_frames_and_gif(tmp_path: Path) -> None:
    colours = [np.full((4, 4, 3), (value, 0, 255 - value), dtype=np.uint8) for value in (0, 100, 255)]
    frames = [side_by_side({"a": c, "b": np.full((2, 2, 1), 7, np.uint8)}, size=32) for c in colours]
    path = write_gif(tmp_path / "x.gif", frames, 10)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.gif"]
    with Image.open(path) as gif:
        assert (gif.size, gif.info["duration"], gif.info["loop"]) == (frames[0].size, 100, 0)
        assert getattr(gif, "n_frames") == 3  # noqa: B009
