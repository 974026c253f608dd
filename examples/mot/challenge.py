"""Videos as MOTChallenge has them (Milan et al. 2016, MOT16), read and written.

    MOT16-02/
        seqinfo.ini      name, folder and ending of the frames, their number, rate and size
        img1/000001.jpg  frames, counted from 1
        det/det.txt      frame, -1, left, top, width, height, confidence, ...
        gt/gt.txt        frame, identity, left, top, width, height, counts, class, visibility

Boxes are stored as the benchmark stores them, with the first pixel at 1, and held here with it at 0.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.mot.boxes import Boxes
from latentrl.support.errors import UserError, message_of
from latentrl.support.files import write_text

INFO, DETECTIONS, TRUTH, FRAMES = "seqinfo.ini", Path("det/det.txt"), Path("gt/gt.txt"), "img1"
PEDESTRIAN = 1
"""The class that is followed; all others are left out of a score."""
LIKE_PEDESTRIANS = (2, 7, 8, 12)
"""Classes that no tracker is blamed for: people on vehicles, people who stand still, distractors, reflections."""
LONGEST = 999_999
"""Frames of a video, whose files have six digits."""
FARTHEST, SMALLEST = 1e6, 1e-3
"""Pixels that a box may be away or large, and that a side has at least: below, areas vanish."""
IDENTITIES = 1e9
"""Identities are below; floating-point numbers above it may be no whole ones."""
FOLDER = "give the folder of a video as MOTChallenge has them, such as MOT16/train/MOT16-02"


@dataclass(frozen=True)
class Detections:
    """What a detector found.

    Attributes:
        frames: numbers ``[N]`` from 0, rising.
        boxes: ``[N, 4]`` in pixels, the first of which is 0.
        confidence: ``[N]``, in the detector's units.
    """

    frames: NDArray[np.int64]
    boxes: Boxes
    confidence: NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """Who is where: for scores alone.

    Attributes:
        frames: numbers ``[N]`` from 0, rising.
        identities: ``[N]``.
        boxes: ``[N, 4]`` in pixels, the first of which is 0.
        counts: whether a miss counts, ``[N]``.
        kinds: the benchmark's classes, ``[N]``.
        visible: share that nothing hides, ``[N]``.
    """

    frames: NDArray[np.int64]
    identities: NDArray[np.int64]
    boxes: Boxes
    counts: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    visible: NDArray[np.float64]


@dataclass(frozen=True)
class Video:
    """One video, its frames still on disk.

    Attributes:
        folder: where it lies.
        name: as the benchmark calls it.
        length: frames.
        rate: frames a second.
        size: width and height of a frame in pixels.
        detections: of all frames.
        truth: None where there is none, as in the benchmark's test videos, or it was not read.
        pictures: the folder of the frames, within the video's.
        ending: of their files.
    """

    folder: Path
    name: str
    length: int
    rate: float
    size: tuple[int, int]
    detections: Detections
    truth: Truth | None
    pictures: str = FRAMES
    ending: str = ".jpg"

    def picture(self, frame: int) -> Image.Image:
        """Frame number ``frame`` from 0, in colours.

        Raises:
            UserError: it is missing, damaged, or of another size than the video's.
        """
        with self._opened(frame) as opened:
            return opened.convert("RGB")

    def check_pictures(self) -> None:
        """See that every frame with a detection is there and of the video's size; only headers are read.

        Raises:
            UserError: names the first that is not.
        """
        for frame in np.unique(self.detections.frames):
            with self._opened(int(frame)):
                pass

    @contextmanager
    def _opened(self, frame: int) -> Iterator[Image.Image]:
        path = self.folder / self.pictures / f"{frame + 1:06d}{self.ending}"
        try:
            with Image.open(path) as opened:
                if opened.size != self.size:
                    raise UserError(
                        f"{path}: has {opened.width} x {opened.height} pixels, but {self.folder / INFO} says "
                        f"{self.size[0]} x {self.size[1]}: copy the video again"
                    )
                yield opened
        except UserError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{path}: cannot be read ({message_of(error)}): copy the video again") from error


def read_video(folder: Path, least: float = -np.inf, labels: bool = True) -> Video:
    """A video's folder, checked, with the detections of a confidence of ``least`` or more.

    Args:
        folder: the video's.
        least: confidence, in the detector's units.
        labels: False leaves gt/gt.txt alone.

    Raises:
        UserError: something is missing or damaged; it names the file, the line and the cure.
    """
    path = folder / INFO
    if not path.is_file():
        raise UserError(f"{path}: is not there; {FOLDER}")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        info = parser["Sequence"]
        name, pictures, ending = info["name"], info.get("imDir", FRAMES), info.get("imExt", ".jpg")
        length, rate = int(info["seqLength"]), float(info.get("frameRate", "30"))
        size = int(info["imWidth"]), int(info["imHeight"])
    except (configparser.Error, KeyError, ValueError) as error:
        raise UserError(f"{path}: is damaged ({message_of(error)}); {FOLDER}") from error
    if min(length, *size) < 1 or not 0 < rate < np.inf:
        raise UserError(f"{path}: has {length} frames of {size[0]} x {size[1]} pixels, {rate:g} a second; {FOLDER}")
    if length > LONGEST:
        raise UserError(f"{path}: has {length} frames, of at most {LONGEST}; {FOLDER}")
    if "\0" in pictures + ending:
        raise UserError(f"{path}: imDir or imExt holds a zero byte, which no file is called by; {FOLDER}")
    if pictures == ".." or Path(pictures).name != pictures or Path(f"0{ending}").name != f"0{ending}":
        raise UserError(f"{path}: imDir {pictures} or imExt {ending} leads out of the folder; {FOLDER}")
    rows = _rows(folder / DETECTIONS, 7, length)
    rows = rows[rows[:, 6] >= least]
    if not len(rows):
        raise UserError(
            f"{folder / DETECTIONS}: has no detection of a confidence of {least:g} or more: give a lower one"
        )
    found = Detections(rows[:, 0].astype(np.int64) - 1, _from_one(rows[:, 2:6]), rows[:, 6])
    truth = _truth(folder / TRUTH, length) if labels and (folder / TRUTH).is_file() else None
    return Video(folder, name, length, rate, size, found, truth, pictures, ending)


def write_video(
    folder: Path, rate: float, pictures: Iterable[NDArray[np.uint8]], detections: Detections, truth: Truth
) -> None:
    """A video's folder, frames without loss; ``seqinfo.ini`` comes last, so that what has one is complete.

    Args:
        folder: made if missing.
        rate: frames a second.
        pictures: frames ``[H, W, 3]``.
        detections: of all frames.
        truth: of all frames.
    """
    for part in (FRAMES, DETECTIONS.parent, TRUTH.parent):
        (folder / part).mkdir(parents=True, exist_ok=True)
    length, height, width = 0, 0, 0
    for picture in pictures:
        length, (height, width) = length + 1, picture.shape[:2]
        Image.fromarray(picture).save(folder / FRAMES / f"{length:06d}.png")
    write_text(folder / DETECTIONS, _lines(
        f"{frame + 1},-1,{_numbers(box)},{confidence:.4f},-1,-1,-1"
        for frame, box, confidence in zip(
            detections.frames, _to_one(detections.boxes), detections.confidence, strict=True
        )
    ))  # fmt: skip
    write_text(folder / TRUTH, _lines(
        f"{frame + 1},{who},{_numbers(box)},{int(counts)},{kind},{visible:.4f}"
        for frame, who, box, counts, kind, visible in zip(
            truth.frames, truth.identities, _to_one(truth.boxes), truth.counts, truth.kinds, truth.visible, strict=True
        )
    ))  # fmt: skip
    write_text(
        folder / INFO,
        f"[Sequence]\nname={folder.name}\nimDir={FRAMES}\nframeRate={rate:g}\nseqLength={length}\nimWidth={width}\n"
        f"imHeight={height}\nimExt=.png\n",
    )


def write_tracks(path: Path, frames: NDArray[np.int64], identities: NDArray[np.int64], boxes: Boxes) -> None:
    """What a tracker says, ``[N]``, ``[N]`` and ``[N, 4]``, as the benchmark takes it."""
    lines = zip(frames, identities, _to_one(boxes), strict=True)
    write_text(path, _lines(f"{frame + 1},{who},{_numbers(box)},1,-1,-1,-1" for frame, who, box in lines))


def by_frame(frames: NDArray[np.int64], length: int) -> Iterator[slice]:
    """Which of the rising ``frames [N]`` belong to frame 0, 1, ...: one slice for each of ``length``."""
    ends = np.searchsorted(frames, np.arange(length + 1))
    return (slice(int(start), int(end)) for start, end in zip(ends, ends[1:], strict=False))


def _truth(path: Path, length: int) -> Truth:
    rows = _rows(path, 7, length)
    count, columns = rows.shape
    kinds = rows[:, 7].astype(np.int64) if columns > 7 else np.full(count, PEDESTRIAN)
    visible = rows[:, 8] if columns > 8 else np.ones(count)
    frames, identities = rows[:, 0].astype(np.int64) - 1, rows[:, 1].astype(np.int64)
    twice = np.unique(np.stack((frames, identities)), axis=1).shape[1] < count
    if twice:
        raise UserError(f"{path}: an identity is in one frame twice: copy the file again")
    return Truth(frames, identities, _from_one(rows[:, 2:6]), rows[:, 6] != 0, kinds, visible)


def _rows(path: Path, columns: int, length: int) -> NDArray[np.float64]:
    """The rows of numbers of a file, by frame; all have as many columns as the first, ``columns`` or more."""
    if not path.is_file():
        raise UserError(f"{path}: is not there; {FOLDER}")
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.strip().rstrip(",").split(",")]
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}; give numbers with commas between them") from error
        if len(row) < columns:
            raise UserError(f"{path}, line {number}: has {len(row)} numbers, of {columns}: copy the file again")
        if rows and len(row) != len(rows[0]):
            raise UserError(
                f"{path}, line {number}: has {len(row)} numbers, but the first row has {len(rows[0])}: "
                "copy the file again"
            )
        if not np.isfinite(row).all() or min(row[4:6]) < SMALLEST or max(map(abs, row[2:6])) > FARTHEST:
            raise UserError(f"{path}, line {number}: {line.strip()} is no box: copy the file again")
        if row[1] != int(row[1]) or abs(row[1]) >= IDENTITIES:
            raise UserError(
                f"{path}, line {number}: identity {row[1]:.12g} is no whole number below {IDENTITIES:.0e}: "
                "copy the file again"
            )
        if row[0] != int(row[0]) or not 1 <= row[0] <= length:
            raise UserError(f"{path}, line {number}: frame {row[0]:g} of {length}: is the file another video's?")
        rows.append(row)
    if not rows:
        raise UserError(f"{path}: is empty: copy the file again")
    found = np.array(rows)
    return found[found[:, 0].argsort(kind="stable")]


def _from_one(boxes: Boxes) -> Boxes:
    return boxes - np.array([1.0, 1, 0, 0])


def _to_one(boxes: Boxes) -> Boxes:
    return boxes + np.array([1.0, 1, 0, 0])


def _numbers(box: Boxes) -> str:
    return ",".join(f"{value:.3f}" for value in box)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
