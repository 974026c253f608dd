"""A collection that can be interrupted: how far it is stands beside the data, after every piece of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from latentrl.data_collection.options import NOT_OF_THE_DATA, CollectOptions
from latentrl.data_collection.rollout import Tally
from latentrl.data_collection.storage import split_folder, update_metadata
from latentrl.data_collection.writer import Layout, SplitWriter
from latentrl.support.errors import UserError
from latentrl.support.files import parsed_json, write_text
from latentrl.types import Trajectory

UNFINISHED = "unfinished.json"
PIECE = 50
"""Sequences, at least, that are lost when the process dies: writing each by itself would be slow."""


@dataclass
class Recording:
    """What :data:`UNFINISHED` holds.

    Attributes:
        settings: of the collection, as JSON has them: whoever goes on needs the same.
        tallies: how far each split is.
        layouts: of the splits that have been begun.
    """

    settings: dict[str, Any]
    tallies: dict[str, Tally] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Recording | None:
        """The unfinished recording in ``folder``; None if there is none.

        Raises:
            UserError: the file is damaged.
        """
        path = folder / UNFINISHED
        try:
            content = parsed_json(path.read_bytes())
            tallies = {split: _tally(tally) for split, tally in content["tallies"].items()}
            layouts = {split: _layout(layout) for split, layout in content["layouts"].items()}
            if not isinstance(content["settings"], dict):
                raise TypeError("its settings are no object")
            return cls(content["settings"], tallies, layouts)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): give another folder with --out") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged ({error!r}): give --overwrite to begin again") from error

    @property
    def sequences(self) -> int:
        """How many are recorded, all splits together."""
        return sum(tally.sequences for tally in self.tallies.values())

    def options(self) -> CollectOptions:
        """The options that give these settings.

        Raises:
            UserError: they are those of another version, or say more than what is recorded.
        """
        known = set(CollectOptions.__dataclass_fields__) - set(NOT_OF_THE_DATA)
        odd = sorted(known ^ set(self.settings))
        if odd:
            raise UserError(f"the interrupted collection is of another version (option {odd[0]!r}): give --overwrite")
        return CollectOptions(**self.settings)

    def tally(self, split: str) -> Tally:
        """How far a split is."""
        return self.tallies.get(split, Tally())

    def save(self, folder: Path) -> None:
        """Replace the file in one move."""
        write_text(folder / UNFINISHED, json.dumps(asdict(self)))


def _tally(content: Any) -> Tally:
    tally = Tally(**content)
    for name, value in content.items():
        if type(value) is not int or value < 0:
            raise TypeError(f"{name} is {value!r}")
    return tally


def _layout(content: Any) -> Layout:
    layout = Layout(**content)
    for name in ("observations", "actions"):
        shape = layout.shapes[name]
        if len(shape) < 2 or any(type(size) is not int or size < 1 for size in shape):
            raise TypeError(f"the shape of {name} is {shape!r}")
    if layout.dtype not in ("uint8", "float32"):
        raise TypeError(f"dtype is {layout.dtype!r}")
    return layout


def record(
    folder: Path,
    split: str,
    gathered: Iterable[tuple[list[Trajectory], Tally]],
    recording: Recording,
    metadata: dict[str, Any],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a split, or the rest of it.

    Args:
        folder: the data folder to be.
        split: "train" or "test".
        gathered: of :func:`~latentrl.data_collection.rollout.gather`, started with ``recording.tally(split)``.
        recording: kept up to date, here and in ``folder``.
        metadata: as for :func:`~latentrl.data_collection.storage.write`.
        progress: called with the number of frames each time some are recorded.
    """
    home = split_folder(folder, split)
    kept, layout = recording.tally(split).sequences, recording.layouts.get(split)
    if kept and layout is None:
        raise UserError(f"{folder / UNFINISHED} is damaged (no layout of {split!r}): give --overwrite to begin again")
    writer = SplitWriter(home, metadata["action_low"], metadata["action_high"], kept, layout)
    for trajectories, tally in _pieces(gathered):
        writer.append(trajectories)
        recording.tallies[split] = tally
        if writer.layout is not None:
            recording.layouts[split] = writer.layout
        recording.save(folder)
        if progress is not None:
            progress(sum(len(trajectory.observations) for trajectory in trajectories))
    assert writer.layout is not None
    writer.finish(home.name)
    update_metadata(folder, split, writer.layout, writer.sequences, metadata)


def _pieces(gathered: Iterable[tuple[list[Trajectory], Tally]]) -> Iterator[tuple[list[Trajectory], Tally]]:
    """Rounds put together to ``PIECE`` sequences or more."""
    piece: list[Trajectory] = []
    last = None
    for trajectories, last in gathered:
        piece += trajectories
        if len(piece) >= PIECE:
            yield piece, last
            piece = []
    if piece and last is not None:
        yield piece, last
