"""LeRobot data sets on disk, versions 2 and 3, by their documented layout; LeRobot itself is not needed.

Of a data set, below its folder:

    meta/info.json                        features, frames a second, where files are
    meta/episodes.jsonl                   version 2: the episodes' lengths
    meta/episodes/chunk-000/*.parquet     version 3: lengths, and where in shared files an episode is
    data/chunk-000/*.parquet              numbers, and pictures that are no films
    videos/.../*.mp4                      films
"""

from __future__ import annotations

import io
import math
import re
import reprlib
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

from latentrl.recordings.film import UNREADABLE, film_blocks
from latentrl.recordings.recording import BLOCK, Key, Source, is_numeric
from latentrl.support.errors import UserError, message_of
from latentrl.support.files import parsed_json
from latentrl.support.pictures import DEEP, amiss

INFO, EPISODES_V2, EPISODES_V3 = "meta/info.json", "meta/episodes.jsonl", "meta/episodes"
PICTURES = ("image", "video")
EPISODE = "episode_index"
WIDTH = re.compile(r"(0?\d{0,2}d)?")
"""Of a number in the pattern of a name, such as 06d."""
LARGEST = 2**31 - 1
"""Of the whole numbers that a data set says: frames of two years at 30 a second."""


class LeRobotReader:
    """See https://huggingface.co/docs/lerobot."""

    expects = "the folder of a LeRobot data set, version 2 or 3, with meta/info.json in it"

    def locate(self, source: str) -> Path | None:
        """A folder with ``meta/info.json``."""
        path = Path(source)
        return path if (path / INFO).is_file() else None

    def open(self, path: Path) -> Source:
        """See :class:`~latentrl.recordings.readers.base.Reader`."""
        info = _info(path)
        version = str(info.get("codebase_version", ""))
        if not version.startswith(("v2", "v3")):
            raise UserError(f"{path / INFO}: is of version {version or 'unknown'}; convert it to v2.1 or v3.0")
        try:
            keys, depth = _features(info, path / INFO)
            places = _places_v2(path, info) if version.startswith("v2") else _places_v3(path, info)
            rate = _rate(info, path / INFO)
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise UserError(f"{path / INFO}: does not say what version {version} should ({error!r})") from error
        if not places:
            raise UserError(f"{path}: lists no episodes; record some, or copy the whole data set")
        recordings = [LeRobotEpisode(f"episode_{place.number}", place, keys) for place in places]
        notes = (f"left out, as depth is no picture: {', '.join(depth)}",) if depth else ()
        return Source(path, recordings, None if rate is None else 1 / rate, notes=notes)


@dataclass(frozen=True)
class Place:
    """Where an episode is.

    Attributes:
        number: its index in the data set.
        length: frames.
        table: the Parquet file.
        films: by key: the file, and at how many seconds the episode begins in it (None: at the file's beginning).
    """

    number: int
    length: int
    table: Path
    films: Mapping[str, tuple[Path, float | None]]


@dataclass(frozen=True)
class LeRobotEpisode:
    """One episode: a row a frame, the last action included."""

    name: str
    place: Place
    features: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Everything that ``info.json`` announces and that is made of numbers."""
        return {key: Key(self.place.length, shape, dtype) for key, (shape, dtype) in self.features.items()}

    def blocks(self, key: str) -> Iterator[NDArray[Any]]:
        """See :class:`~latentrl.recordings.recording.Recording`."""
        if key in self.place.films:
            film, start = self.place.films[key]
            yield from film_blocks(film, start, self.place.length)
            return
        table, shape, found = self.place.table, self.features[key][0], 0
        try:
            rows = pyarrow.dataset.dataset(table, format="parquet").scanner(
                columns=[key],
                filter=pyarrow.dataset.field(EPISODE) == self.place.number,
                batch_size=BLOCK,
                batch_readahead=1,
                use_threads=False,
            )
            for batch in rows.to_batches():
                if len(batch):
                    found += len(batch)
                    yield _array(batch.column(0), shape)
        except UserError as error:  # it is whole: another copy would be no cure
            raise UserError(f"{table}: {key} of episode {self.place.number}: {error}") from error
        except (*UNREADABLE, pyarrow.ArrowException, KeyError) as error:
            raise UserError(
                f"{table}: {key} of episode {self.place.number} cannot be read ({message_of(error)}); "
                "copy the data set again"
            ) from error
        if found != self.place.length:
            raise UserError(f"{table}: holds {found} frames of episode {self.place.number}, not {self.place.length}")


def _array(column: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The rows of a column as one array ``[n, ...]``: numbers, lists of them, or encoded pictures."""
    if isinstance(column, pyarrow.ExtensionArray):
        column = column.storage
    count = len(column)
    if pyarrow.types.is_struct(column.type):
        return np.stack([_picture(entry["bytes"], shape) for entry in column.to_pylist()])
    if pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type):
        return np.stack([_picture(entry, shape) for entry in column.to_pylist()])
    while pyarrow.types.is_nested(column.type):
        column = column.flatten()
    return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(count, *shape)


def _picture(content: bytes | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The colours ``[H, W, 3]`` of an encoded picture.

    Raises:
        UserError: its pixels, as they are stored, are not what people see.
        ValueError: there is none, or one of another size or of more than eight bits.
    """
    if content is None:
        raise ValueError("its pictures are in files of their own, not in the table")
    with Image.open(io.BytesIO(content)) as image:
        # Before any pixel is read: a few bytes may hold a huge picture.
        if image.width * image.height != math.prod(shape[:2]):
            raise ValueError(f"a picture is {image.height} x {image.width}, not {' x '.join(map(str, shape[:2]))}")
        if image.mode in DEEP:
            raise ValueError(f"a picture has Pillow's mode {image.mode}, which does not fit eight bits")
        problem = amiss(image)
        if problem is not None:
            raise UserError(f"a picture {problem}")
        return np.array(image.convert("RGB"))


def _info(path: Path) -> dict[str, Any]:
    try:
        found = parsed_json((path / INFO).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path / INFO}: is damaged ({error}); copy the data set again") from error
    if not isinstance(found, dict):
        raise UserError(f"{path / INFO}: is no JSON object; copy the data set again")
    return found


def _features(
    info: Mapping[str, Any], where: Path
) -> tuple[dict[str, tuple[tuple[int, ...], np.dtype[Any]]], list[str]]:
    """Shape of a step and dtype of everything that is made of numbers, and the names of pictures of depth.

    Raises:
        UserError: a shape or dtype that none can have; names the file ``where`` and the key.
    """
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    depth: list[str] = []
    for key, feature in info["features"].items():
        sides, dtype = feature["shape"], str(feature["dtype"])
        shape = tuple(_whole(side, where, f"features, {key}: a side of its shape") for side in sides)
        details = {**(feature.get("video_info") or {}), **(feature.get("info") or {})}
        if details.get("video.is_depth_map") or details.get("is_depth_map"):
            depth.append(key)
        elif dtype in PICTURES:
            # Some write [C, H, W] and some [H, W, C]; decoded frames have their colours last.
            size = shape[1:] if shape[0] in (1, 3) and shape[-1] not in (1, 3) else shape[:2]
            found[key] = ((*size, 3), np.dtype(np.uint8))
        elif dtype.startswith(("float", "int", "uint", "bool")):
            found[key] = (() if shape == (1,) else shape, _number_type(dtype, where, key))
    return found, depth


def _number_type(name: str, where: Path, key: str) -> np.dtype[Any]:
    """The dtype of this ``name``, of one number: NumPy also takes names of several at once."""
    try:
        found = np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        found = np.dtype(object)
    if not is_numeric(found):
        raise UserError(f"{where}: features, {key}: dtype is {reprlib.repr(name)}; give that of a number, as float32")
    return found


def _rate(info: Mapping[str, Any], where: Path) -> float | None:
    """Frames a second; None: not said."""
    if not info.get("fps"):
        return None
    try:
        rate = float(info["fps"])
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not (0 < rate < math.inf and math.isfinite(1 / rate)):
        raise UserError(f"{where}: fps is {reprlib.repr(info['fps'])}; give frames a second, a number above 0")
    return rate


def _whole(value: Any, where: Path, name: str, least: int = 0) -> int:
    """A whole number that a file says, for what is counted.

    Raises:
        UserError: it is none, or not in ``least`` to ``LARGEST``; names the file ``where`` and what it is the value of.
    """
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not whole or isinstance(value, bool) or not least <= value <= LARGEST:
        raise UserError(
            f"{where}: {name} is {reprlib.repr(value)}, no whole number from {least} to {LARGEST}; correct it, or copy "
            "the data set again"
        )
    return int(value)


def _places_v2(path: Path, info: Mapping[str, Any]) -> list[Place]:
    """One file an episode and key; the episodes' lengths stand in lines of JSON."""
    file = path / EPISODES_V2
    chunk = _whole(info.get("chunks_size", 1000), path / INFO, "chunks_size", 1)
    films = [key for key, feature in info["features"].items() if feature["dtype"] == "video"]
    places = []
    for line in _lines(file):
        number, length = _whole(line.get(EPISODE), file, EPISODE), _whole(line.get("length"), file, "length")
        names = {"episode_chunk": number // chunk, EPISODE: number}
        own = {key: (_named(path, info, "video_path", video_key=key, **names), None) for key in films}
        places.append(Place(number, length, _named(path, info, "data_path", **names), own))
    return places


def _places_v3(path: Path, info: Mapping[str, Any]) -> list[Place]:
    """Many episodes in a file; where each is stands in tables."""
    films = [key for key, feature in info["features"].items() if feature["dtype"] == "video"]
    entries = ("chunk_index", "file_index", "from_timestamp")
    columns = [EPISODE, "length", "data/chunk_index", "data/file_index"]
    columns += [f"videos/{key}/{entry}" for key in films for entry in entries]
    places = []
    for file in sorted((path / EPISODES_V3).rglob("*.parquet")):
        try:
            rows = pyarrow.parquet.read_table(file, columns=columns).to_pylist()
        except (OSError, pyarrow.ArrowException) as error:
            raise UserError(f"{file}: is damaged ({message_of(error)}); copy the data set again") from error
        for row in rows:
            names = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
            own: dict[str, tuple[Path, float | None]] = {}
            for key in films:
                chunk, number, start = (row[f"videos/{key}/{entry}"] for entry in entries)
                film = _named(path, info, "video_path", video_key=key, chunk_index=chunk, file_index=number)
                own[key] = (film, float(start))
            table = _named(path, info, "data_path", **names)
            episode, length = _whole(row[EPISODE], file, EPISODE), _whole(row["length"], file, "length")
            places.append(Place(episode, length, table, own))
    return sorted(places, key=lambda place: place.number)


def _named(path: Path, info: Mapping[str, Any], key: str, **values: str | int) -> Path:
    """The file that a pattern of a data set names, which somebody else has written: a place within its folder.

    Raises:
        UserError: a pattern with anything but these values and a width, or one that leads out of the folder.
    """
    found = ""
    for text, name, width, conversion in string.Formatter().parse(str(info[key])):
        found += text
        if name is None:
            continue
        if name not in values or conversion is not None or WIDTH.fullmatch(width or "") is None:
            raise UserError(f"{path / INFO}: {key} holds {{{name}:{width}}}, which is none of {', '.join(values)}")
        found += format(values[name], width or "")
    if "\0" in found or Path(found).is_absolute() or ".." in Path(found).parts:
        raise UserError(f"{path / INFO}: {key} leads out of the folder, to {found!a}")
    return path / found


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        found = [parsed_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all(isinstance(line, dict) for line in found):
            raise ValueError("a line is no JSON object")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is missing or damaged ({error}); copy the whole data set") from error
    return found
