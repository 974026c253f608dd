"""TensorBoard: a log in the run folder, which every training and every policy writes anyhow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from latentrl.tracking.base import TEXTS, Beginning, Ending, Kind

PICTURES = (".gif", ".png")


class Board:
    """A log that TensorBoard reads.

    Args:
        folder: that it is written into.
        purge_step: what is logged already of this step and later ones is not shown: it will be logged again.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        # Here, for options name trackers and most verbs need none.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=purge_step)
        self._folder, self._step = folder, 0

    @property
    def run(self) -> str | None:
        """None: the folder itself is the run."""
        return None

    @property
    def where(self) -> str:
        return f"tensorboard --logdir {self._folder}"

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._step = step
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def log_file(self, path: Path) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        if path.suffix in PICTURES:
            with Image.open(path) as picture:
                width, height = picture.size
            shown = Summary.Image(
                height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes()
            )  # an animated one moves there
            summary = Summary(value=[Summary.Value(tag=path.stem, image=shown)])
            self._writer._get_file_writer().add_summary(summary, self._step)
        elif path.suffix in TEXTS:
            self._writer.add_text(path.name, f"```\n{path.read_text(encoding='utf-8')}\n```", self._step)

    def finish(self, ending: Ending) -> None:
        self.close()

    def close(self) -> None:
        """Write what is still held back."""
        self._writer.close()


def _begin(beginning: Beginning) -> Board:
    board = Board(beginning.folder / f"{beginning.part}_log")
    board._writer.add_text("settings", f"```\n{json.dumps(beginning.settings, indent=2, default=str)}\n```")
    return board


TENSORBOARD = Kind(_begin)
