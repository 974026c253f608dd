"""Make a data folder of frames that come from no environment; each is as good as alone.

python -m latentrl.studies.making digits --out data/digits --seed 0
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentrl.data_collection import storage
from latentrl.data_collection.folders import complete_folder
from latentrl.studies.definition import MAKING
from latentrl.studies.sources import SOURCES
from latentrl.studies.sources.base import Frames
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.options import check_seed
from latentrl.types import Trajectory

LABEL = "label"
"""The ground truth's key: which kind a frame is of."""
TOGETHER = 2
"""Frames of a sequence, the fewest that there may be; static models take them apart again."""


def make(name: str, folder: Path, seed: int) -> None:
    """Store a source's frames as a data folder, ``TOGETHER`` a sequence, whose actions mean nothing.

    Raises:
        UserError: what the source needs is not here, or the folder exists.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already: give another folder with --out")
    found = SOURCES[name](seed)
    known: dict[str, Any] = {"env_id": None, "env_kwargs": {}, "pixels": None, "grey": False}
    known |= {"action_low": [-1.0], "action_high": [1.0], **found.about, "seed": seed}
    some = next(iter(found.frames.values())).observations
    if some.dtype == np.uint8:
        known |= {"pixels": some.shape[1], "grey": some.shape[-1] == 1}
    with complete_folder(folder, overwrite=False) as temporary:
        for split, frames in found.frames.items():
            storage.write(temporary, split, _paired(frames, seed), known)
    told = ", ".join(f"{len(frames.labels)} frames to {split}" for split, frames in found.frames.items())
    print(f"{folder}: {told}, each {list(some.shape[1:])}")
    print(f"next: {command('train', '--model', 'vhp-vae', '--data', folder)}")


def _paired(frames: Frames, seed: int) -> Iterator[Trajectory]:
    """Sequences of frames in a drawn order, and actions that are noise; one frame is left over of an odd number."""
    drawn = np.random.default_rng(seed)
    order = drawn.permutation(len(frames.labels))
    for at in range(0, len(order) - TOGETHER + 1, TOGETHER):
        some = order[at : at + TOGETHER]
        noise = drawn.uniform(-1, 1, (TOGETHER - 1, 1)).astype(np.float32)
        yield Trajectory(frames.observations[some], noise, {LABEL: frames.labels[some]})


def main(argv: Sequence[str] | None = None) -> None:
    """Make it, and say what it is."""
    with reported():
        parser = argparse.ArgumentParser(prog=f"python -m {MAKING}", description=__doc__)
        parser.add_argument("source", choices=list(SOURCES))
        parser.add_argument("--out", type=Path, required=True, help="the data folder to make")
        parser.add_argument("--seed", type=int, default=0, help="of the split, and of what is drawn")
        given = parser.parse_args(argv)
        check_seed(given.seed)
        make(given.source, given.out, given.seed)


if __name__ == "__main__":
    main()
