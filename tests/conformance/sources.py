"""The same recordings in every format that there is a reader of: what was written is what must be read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

Content = dict[str, NDArray[Any]]
"""``frames [T, 16, 24, 3]`` uint8 and ``actions [T - 1, 2]`` or ``[T, 2]``."""
HEIGHT, WIDTH, RATE = 16, 24, 10


def content(lengths: Sequence[int], surplus: bool = False, seed: int = 0) -> list[Content]:
    """Recordings whose frames are brighter from step to step, so that one taken for another is seen in any codec."""
    rng = np.random.default_rng(seed)
    made: list[Content] = []
    for number, frames in enumerate(lengths):
        level = 20 * number + 6 * np.arange(frames)
        pictures = np.broadcast_to(level[:, None, None, None], (frames, HEIGHT, WIDTH, 3)).astype(np.uint8)
        made.append({"frames": pictures, "actions": rng.normal(size=(frames - (not surplus), 2)).astype(np.float32)})
    return made


def write_npz(folder: Path, recordings: Sequence[Content]) -> str:
    for number, recording in enumerate(recordings):
        np.savez_compressed(folder / f"rec_{number}.npz", **recording)  # type: ignore[arg-type]
    return str(folder)


def write_stacked(folder: Path, recordings: Sequence[Content]) -> str:
    np.savez(folder / "all.npz", **{key: np.stack([one[key] for one in recordings]) for key in recordings[0]})  # type: ignore[arg-type]
    return str(folder / "all.npz")


def write_npy(folder: Path, recordings: Sequence[Content]) -> str:
    for number, recording in enumerate(recordings):
        (folder / f"rec_{number}").mkdir()
        for key, values in recording.items():
            np.save(folder / f"rec_{number}" / f"{key}.npy", values)
    return str(folder)


def write_minari(folder: Path, recordings: Sequence[Content], data_format: str) -> str:
    """With observations that are a dictionary."""
    from gymnasium.spaces import Box, Dict
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    (folder / "set" / "data").mkdir(parents=True)
    seen = Dict({"camera": Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8), "hand": Box(-9, 9, (2,), np.float32)})
    acted = Box(-np.inf, np.inf, (2,), np.float32)
    storage = MinariStorage.new(folder / "set" / "data", seen, acted, data_format=data_format)
    storage.update_episodes(
        EpisodeBuffer(
            observations={"camera": one["frames"], "hand": np.zeros((len(one["frames"]), 2), np.float32)},
            actions=one["actions"],
            rewards=[0.0] * len(one["actions"]),
            terminations=[False] * len(one["actions"]),
            truncations=[False] * len(one["actions"]),
        )
        for one in recordings
    )
    return str(folder / "set")


def write_film(path: Path, frames: NDArray[np.uint8]) -> None:
    """In whatever codec the suffix stands for, with a key frame every 50."""
    if path.suffix == ".gif":
        images = [Image.fromarray(frame) for frame in frames]
        # Each frame on its own: Pillow otherwise leaves out one that is the same as the last.
        images[0].save(path, save_all=True, append_images=images[1:], duration=1000 // RATE, optimize=False)
        return
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE, options={"g": "50", "qscale": "1"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())


def write_videos(folder: Path, recordings: Sequence[Content], suffix: str, header: str = "") -> str:
    for number, one in enumerate(recordings):
        write_film(folder / f"rec_{number}{suffix}", one["frames"])
        rows = [",".join(repr(float(value)) for value in row) for row in one["actions"]]
        (folder / f"rec_{number}.csv").write_text("\n".join([*([header] if header else []), *rows]) + "\n")
    return str(folder)


def write_tables(folder: Path, recordings: Sequence[Content]) -> str:
    """A column for each number, and the time."""
    for number, one in enumerate(recordings):
        steps = zip(one["frames"], one["actions"], strict=True)
        rows = [f"{at / RATE},{level},{float(force)!r}" for at, (level, force) in enumerate(steps)]
        (folder / f"rec_{number}.csv").write_text("\n".join(["time,level,force", *rows]) + "\n")
    return str(folder)


def write_lerobot(folder: Path, recordings: Sequence[Content], version: int, pictures: str) -> str:
    """Version 2 or 3, with ``video`` or ``image`` pictures; version 3 has all episodes in the same files."""
    key, lengths = "observation.images.top", [len(one["frames"]) for one in recordings]
    features = {
        key: {"dtype": pictures, "shape": [3, HEIGHT, WIDTH], "names": ["channels", "height", "width"]},
        "observation.state": {"dtype": "float32", "shape": [1]},
        "action": {"dtype": "float32", "shape": [2]},
        "timestamp": {"dtype": "float32", "shape": [1]},
        "episode_index": {"dtype": "int64", "shape": [1]},
        "task": {"dtype": "string", "shape": [1]},
    }
    two = version == 2
    data = "episode_{episode_index:06d}" if two else "file-{file_index:03d}"
    chunk = "chunk-{episode_chunk:03d}" if two else "chunk-{chunk_index:03d}"
    info = {
        "codebase_version": "v2.1" if two else "v3.0",
        "fps": RATE,
        "chunks_size": 1000,
        "features": features,
        "data_path": f"data/{chunk}/{data}.parquet",
        "video_path": f"videos/{chunk}/{{video_key}}/{data}.mp4" if two else f"videos/{{video_key}}/{chunk}/{data}.mp4",
    }
    (folder / "meta").mkdir()
    (folder / "meta/info.json").write_text(json.dumps(info))
    tables = []
    for number, one in enumerate(recordings):
        columns: dict[str, Any] = {
            "observation.state": pyarrow.array([float(number)] * lengths[number], pyarrow.float32()),
            "action": pyarrow.array(one["actions"].tolist(), pyarrow.list_(pyarrow.float32())),
            "timestamp": pyarrow.array(np.arange(lengths[number], dtype=np.float32) / RATE),
            "episode_index": pyarrow.array([number] * lengths[number]),
        }
        if pictures == "image":
            columns[key] = pyarrow.array([{"bytes": png(frame), "path": None} for frame in one["frames"]])
        tables.append(pyarrow.table(columns))
    (folder / "data/chunk-000").mkdir(parents=True)
    if two:
        lines = [json.dumps({"episode_index": n, "tasks": [], "length": length}) for n, length in enumerate(lengths)]
        (folder / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
        for number, (table, one) in enumerate(zip(tables, recordings, strict=True)):
            pyarrow.parquet.write_table(table, folder / f"data/chunk-000/episode_{number:06d}.parquet")
            if pictures == "video":
                (folder / "videos/chunk-000" / key).mkdir(parents=True, exist_ok=True)
                write_film(folder / "videos/chunk-000" / key / f"episode_{number:06d}.mp4", one["frames"])
        return str(folder)
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables), folder / "data/chunk-000/file-000.parquet")
    starts = np.cumsum([0, *lengths[:-1]]) / RATE
    episodes = {
        "episode_index": list(range(len(lengths))),
        "length": lengths,
        "data/chunk_index": [0] * len(lengths),
        "data/file_index": [0] * len(lengths),
    }
    if pictures == "video":
        (folder / "videos" / key / "chunk-000").mkdir(parents=True)
        film = folder / "videos" / key / "chunk-000/file-000.mp4"
        write_film(film, np.concatenate([one["frames"] for one in recordings]))
        where = f"videos/{key}"
        episodes |= {f"{where}/chunk_index": [0] * len(lengths), f"{where}/file_index": [0] * len(lengths)}
        episodes |= {f"{where}/from_timestamp": starts.tolist()}
    (folder / "meta/episodes/chunk-000").mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table(episodes), folder / "meta/episodes/chunk-000/file-000.parquet")
    return str(folder)


def png(frame: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "png")
    return stream.getvalue()


@dataclass(frozen=True)
class Form:
    """One way of writing.

    Attributes:
        reader: the name of the reader that is to read it.
        write: recordings into a folder; returns what a user names.
        lengths: of the recordings.
        observation: the key of the frames.
        actions: the key of the actions.
        surplus: whether there are as many actions as frames.
        within: how far a read frame may be from the written one: films are not kept bit by bit.
        needs: the package that may be missing.
        sensed: whether it holds no pictures: a number is seen and one is done at each step.
    """

    reader: str
    write: Callable[[Path, Sequence[Content]], str]
    lengths: tuple[int, ...] = (7, 9, 8)
    observation: str = "frames"
    actions: str = "actions"
    surplus: bool = False
    within: int = 0
    needs: str | None = None
    sensed: bool = False

    def content(self, lengths: Sequence[int]) -> list[Content]:
        """What is to be written: ``frames [T, 16, 24, 3]``, or ``[T]`` of sensors, and as many actions as it wants."""
        made = content(lengths, self.surplus)
        if not self.sensed:
            return made
        return [{"frames": one["frames"][:, 0, 0, 0], "actions": one["actions"][:, 0]} for one in made]


TOP = "observation.images.top"
FORMS: dict[str, Form] = {
    "npz": Form("arrays", write_npz),
    "npz-stacked": Form("arrays", write_stacked, (70, 70)),
    "npy": Form("arrays", write_npy, (70, 9)),
    "minari-arrow": Form("minari", partial(write_minari, data_format="arrow"), observation="observations/camera"),
    "minari-hdf5": Form(
        "minari", partial(write_minari, data_format="hdf5"), observation="observations/camera", needs="h5py"
    ),
    "mp4": Form("videos", partial(write_videos, suffix=".mp4"), observation="video", within=4, needs="av"),
    "avi": Form("videos", partial(write_videos, suffix=".avi"), observation="video", within=4, needs="av"),
    "gif": Form("videos", partial(write_videos, suffix=".gif"), observation="video", within=2),
    "csv": Form("tables", write_tables, (70, 9), "level", "force", surplus=True, sensed=True),
    **{
        f"lerobot-{version}-{pictures}": Form(
            "lerobot",
            partial(write_lerobot, version=version, pictures=pictures),
            (7, 70, 8),
            TOP,
            "action",
            surplus=True,
            within=4 if pictures == "video" else 0,
            needs="av" if pictures == "video" else None,
        )
        for version in (2, 3)
        for pictures in ("video", "image")
    },
}
