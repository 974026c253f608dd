"""A split's Minari data set, opened with mistrust: what it says of itself is checked before Minari acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import minari
from minari.dataset.episode_data import EpisodeData
from minari.dataset.minari_storage import METADATA_FILE_NAME

from latentrl.data_collection.again import how_to_record_again
from latentrl.data_collection.arrow import PART, is_whole
from latentrl.support.errors import UserError, message_of
from latentrl.support.files import parsed_json

BLOCK = 64
DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError, StopIteration)
"""What reading a file raises that is none of ours; pyarrow's errors are among them."""


class Split:
    """The episodes of a split.

    Args:
        data: the folder of the Minari data set.
        folder: the data folder.
        split: its name.
        metadata: the folder's.

    Raises:
        UserError: it is damaged, or not what ``metadata`` say; names the file, what is wrong and the cure.
    """

    data: Path
    cure: str
    count: int

    def __init__(self, data: Path, folder: Path, split: str, metadata: Mapping[str, Any]) -> None:
        self.data, self.cure = data, how_to_record_again(folder, metadata)
        self.count = int(metadata["splits"][split]["sequences"])
        self._check(data / METADATA_FILE_NAME)
        try:
            self._dataset = minari.MinariDataset(data)
        except DAMAGED as error:
            raise self._damaged(data / METADATA_FILE_NAME, error) from error

    def episodes(self, first: int = 0) -> Iterator[EpisodeData]:
        """The episodes from ``first`` on. In blocks, for Arrow reads ahead of a slow consumer without bound.

        Raises:
            UserError: a file of an episode is damaged.
        """
        for start in range(first, self.count, BLOCK):
            block = range(start, min(start + BLOCK, self.count))
            try:
                episodes = self._dataset.iterate_episodes(block)
                found = 0
                for episode in episodes:
                    found += 1
                    yield episode
                if found != len(block):
                    raise ValueError(f"{found} of {len(block)} episodes could be read")
            except UserError:
                raise
            except DAMAGED as error:
                raise self._damaged(self._culprit(block), error) from error

    def _check(self, path: Path) -> None:
        """Refuse what Minari would stumble over, or make an environment for, which runs what the file names."""
        try:
            content = parsed_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise self._damaged(path, error) from error
        if not isinstance(content, dict):
            raise self._damaged(path, TypeError("it holds no JSON object"))
        for key in ("observation_space", "action_space", "dataset_id", "minari_version"):
            if not isinstance(content.get(key), str):
                raise self._damaged(path, KeyError(f"{key} is no text"))
        for key, wanted in {"data_format": "arrow", "total_episodes": self.count}.items():
            if content.get(key) != wanted:
                raise self._damaged(path, ValueError(f"{key} is {content.get(key)!r}, not {wanted!r}"))

    def _culprit(self, block: range) -> Path:
        """The file of a block that cannot be read."""
        for number in block:
            try:
                if is_whole(self.data, number) and len(list(self._dataset.iterate_episodes([number]))) == 1:
                    continue
            except DAMAGED:
                pass
            return self.data / str(number) / PART
        return self.data

    def _damaged(self, path: Path, error: BaseException) -> UserError:
        missing = isinstance(error, FileNotFoundError)
        what = "is missing" if missing else f"is damaged ({message_of(error)[:200]})"
        return UserError(f"{path} {what}: {self.cure}")
