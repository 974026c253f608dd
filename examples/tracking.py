"""Who is who in a video, by how unlike crops are: a latent space as a metric for re-identification (Latent Matters,
5.2.3.3).

    pip install 'latentrl[mot]'
    python -m examples.tracking             # made-up videos; --quick goes through, and shows nothing
    python -m examples.tracking --train-on MOT16/train/MOT16-02 MOT16/train/MOT16-04 --videos MOT16/train/MOT16-09

Encoders learn from crops of the videos of ``--train-on``, where no label is read; those of ``--videos`` are scored.
Called again, it goes on where it stopped. docs/geometry.md says what came of it.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tqdm import tqdm

from examples.mot.challenge import Video, by_frame, read_video, write_tracks
from examples.mot.crops import shown, write_crops
from examples.mot.distances import DISTANCES, IOU, RUNS, Appearance
from examples.mot.scores import COUNTS, check_scorable, library, overall, scores
from examples.mot.sprites import write_sprites
from examples.mot.threshold import thresholds
from examples.mot.tracker import NOBODY, Rules, Tracker
from latentrl.numerics.statistics import bootstrap_interval
from latentrl.runs.folder import SETTINGS
from latentrl.support.errors import UserError, reported
from latentrl.support.files import check_kinds, read_json, write_json
from latentrl.support.locks import exclusive
from latentrl.support.options import LARGEST_SEED, check_one_or_more, check_seed, default_hint
from latentrl.support.printing import digits
from latentrl.support.steps import FileMemory, Record, Steps
from latentrl.train import train
from latentrl.training.options import TrainOptions

STAGES, FIGURES = "stages.json", "figures.json"
ANOTHER = "give another --out"
SHOWN = ("switches", "idf1", "mota", "fragmentations")
"""Columns of the table that is printed."""


@dataclass(frozen=True)
class Options:
    """Follow what a detector found, by every distance, and score it; encoders are trained on crops of other videos."""

    videos: tuple[Path, ...] = ()
    """Folders of MOTChallenge videos that are scored, with gt/gt.txt; made up if none."""
    train_on: tuple[Path, ...] = ()
    """Folders of other videos, from whose detections encoders and thresholds are learned; labels are not read."""
    distance: tuple[str, ...] = tuple(DISTANCES)
    """Which are compared: iou looks at boxes alone, pixels at crops, euclid at encodings of a vhp-vae, geodesic at the
    shortest ways between these, flat at encodings of an fm-vae."""
    out: Annotated[Path | None, default_hint("runs/tracking; runs/tracking-quick", "FOLDER")] = None
    """The folder for everything."""
    crop: int = 16
    """Pixels a side of a crop; the source has 64."""
    position_size: int = 8
    """Latent dimensions; the source has 128."""
    flat: float = 300.0
    """Weight of the fm-vae's penalty; the source has 300 and 3000."""
    kappa: float = 0.1
    """Bound of the error of reconstructions a pixel, of 1."""
    steps: int = 1000
    """Gradient steps of a training."""
    batch: int = 32
    """Crops in a batch."""
    crops: int = 20_000
    """Crops that encoders are trained on, at most."""
    confidence: float = -1e9
    """Detections of a lower one are left out, in the detector's units."""
    overlap: float = 0.3
    """Least intersection over union of a match by boxes."""
    patience: int = 60
    """Frames that somebody who is not seen is remembered; SORT has 1, DeepSORT 30."""
    seeds: int = 3
    """How often all is done, from the made-up videos on, or from the trainings where videos are given."""
    seed: int = 0
    """The first of them."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """The same way with too little of everything: a test."""


@dataclass(frozen=True)
class Size:
    """Of the made-up videos, and of trainings."""

    scored: int = 3
    trained_on: int = 3
    length: int = 250
    people: int = 10


QUICK = Size(1, 1, 40, 5)


def main(argv: Sequence[str] | None = None) -> None:
    """Everything that is not done yet, and a table."""
    options = tyro.cli(Options, args=argv)
    with reported():
        print(table(run(options)))
        if options.quick:
            print("Too little of everything was done with --quick: no result.")
        if not options.videos:
            print("next: python -m examples.tracking --train-on MOT16/train/MOT16-02 --videos MOT16/train/MOT16-09")


def run(options: Options) -> dict[str, Any]:
    """All seeds; returns the contents of ``figures.json``.

    Raises:
        UserError: options, videos or a folder that are of no use; motmetrics is missing.
    """
    check(options)
    library()
    out = options.out or Path("runs") / ("tracking-quick" if options.quick else "tracking")
    if out.exists() and any(out.iterdir()) and not (out / STAGES).is_file():
        raise UserError(f"--out {out}: holds something else; give another folder")
    with exclusive(out, f"--out {out}: another process is at work there; wait for it, or give another", make=True):
        return _run(options, out)


def _run(options: Options, out: Path) -> dict[str, Any]:
    stored = json.loads(json.dumps({**asdict(options), "out": None, "seeds": None}, default=str))
    check_stages(out / STAGES, stored)
    steps = Steps(FileMemory(out / STAGES, stored))
    seeds = range(options.seed, options.seed + options.seeds)
    for seed in seeds:
        for name, work in work_of(options, out / f"seed{seed}", seed).items():
            done = f"seed {seed}: {name}"
            print(done + (" (done before)" if done in steps.finished else ""), flush=True)
            steps.run(done, work)
    figures = compared([read_figures(out / f"seed{seed}" / FIGURES, options.distance) for seed in seeds])
    write_json(out / FIGURES, figures)
    return figures


def check_stages(path: Path, wanted: Mapping[str, object]) -> None:
    """Refuse a file of stages that is damaged or was written with options other than ``wanted``; there may be none.

    Raises:
        UserError: it names the options that differ.
    """
    if not path.exists():
        return
    stored = read_json(path, ANOTHER)
    check_kinds(stored, {"identity": dict}, path, ANOTHER)
    try:
        Record.from_json(json.dumps(stored))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {ANOTHER}") from error
    before = stored["identity"]
    differing = [name for name in (*wanted, *(before.keys() - wanted)) if before.get(name) != wanted.get(name)]
    if differing:
        theirs, ours = (
            " ".join(f"--{name.replace('_', '-')} {_typed(of.get(name))}" for name in differing)
            for of in (before, wanted)
        )
        raise UserError(f"{path} belongs to a run with {theirs}, this one has {ours}: {ANOTHER}")


def read_figures(path: Path, distances: Sequence[str]) -> dict[str, Any]:
    """What :func:`follow_all` wrote.

    Raises:
        UserError: it is missing or damaged.
    """
    figures = read_json(path, ANOTHER)
    check_kinds(figures, dict.fromkeys(distances, dict), path, ANOTHER)
    for name in distances:
        check_kinds(figures[name], {"overall": dict}, path, ANOTHER)
        check_kinds(figures[name]["overall"], dict.fromkeys((*COUNTS, "mota", "idf1"), (int, float)), path, ANOTHER)
    return {name: figures[name] for name in distances}


def check(options: Options) -> None:
    """Refuse what nothing could be made of, before anything is made.

    Raises:
        UserError: it names the flag, the value and the cure.
    """
    check_seed(options.seed)
    names = ("crop", "position_size", "steps", "batch", "crops", "patience", "seeds")
    check_one_or_more(**{name: getattr(options, name) for name in names})
    if (last := options.seed + options.seeds - 1) > LARGEST_SEED:
        raise UserError(f"--seed {options.seed} --seeds {options.seeds}: the last is {last}, of at most {LARGEST_SEED}")
    for name in ("kappa", "flat"):
        if not 0 < (value := getattr(options, name)) < math.inf:
            raise UserError(f"--{name} {value:g}: give a positive number")
    if math.isnan(options.confidence):
        raise UserError("--confidence nan: give a number")
    if not options.distance or not set(options.distance) <= set(DISTANCES):
        raise UserError(f"--distance {' '.join(options.distance)}: choose of {', '.join(DISTANCES)}")
    if not 0 < options.overlap <= 1:
        raise UserError(f"--overlap {options.overlap:g}: give a share above 0, at most 1")
    if options.train_on and not options.videos:
        raise UserError("--train-on: goes with --videos, which are then scored; give these too")
    if options.videos and not options.train_on and set(options.distance) != {IOU}:
        raise UserError("--videos: give others with --train-on, to learn what crops look like; or --distance iou alone")
    if same := {one.resolve() for one in options.videos} & {one.resolve() for one in options.train_on}:
        raise UserError(f"--train-on {min(same)}: is scored too, and would be known already; give another video")
    called = [one.resolve().name for one in options.videos]
    if len(set(called)) < len(called):
        raise UserError(f"--videos: two folders are called {max(called, key=called.count)}; rename one")
    videos = [read_video(folder, options.confidence, labels=False) for folder in options.train_on]
    for folder in options.videos:
        videos.append(read_video(folder, options.confidence))
        check_scorable(videos[-1])
    if set(options.distance) != {IOU}:
        for video in videos:
            video.check_pictures()


def work_of(options: Options, home: Path, seed: int) -> dict[str, Callable[[], object]]:
    """What is done with one seed, in turn, by what the user reads."""
    size = QUICK if options.quick else Size()
    work: dict[str, Callable[[], object]] = {}
    if options.videos:
        scored, trained_on = options.videos, options.train_on
    else:
        scored = tuple(home / "videos" / f"scored-{number}" for number in range(size.scored))
        trained_on = tuple(home / "videos" / f"trained-on-{number}" for number in range(size.trained_on))
        work["videos"] = partial(make_videos, (*scored, *trained_on), seed, size)
    models = dict.fromkeys(run for name in options.distance if (run := RUNS[name]) is not None)
    if models:
        work["crops"] = partial(make_crops, options, home / "crops", trained_on, seed)
    for model in models:
        work[model] = partial(fit, options, model, home, seed)
    work["tracks"] = partial(follow_all, options, home, scored, trained_on)
    return work


def make_videos(folders: Sequence[Path], seed: int, size: Size) -> None:
    """Made-up videos, each from a seed of its own."""
    for number, folder in enumerate(tqdm(folders, unit="video", desc="videos", disable=None)):
        write_sprites(folder, 1000 * seed + number, size.length, size.people)


def make_crops(options: Options, data: Path, folders: Sequence[Path], seed: int) -> None:
    """The data folder that encoders are trained on."""
    shutil.rmtree(data, ignore_errors=True)  # half of one, where it was interrupted
    videos = [read_video(folder, options.confidence, labels=False) for folder in folders]
    write_crops(data, videos, options.crop, options.crops, seed)


def fit(options: Options, model: str, home: Path, seed: int) -> None:
    """What ``latentrl train`` does."""
    folder = home / model
    wanted = TrainOptions(
        data=home / "crops", run=folder, model=model, position_size=options.position_size, samples=8,
        kappa=options.kappa, steps=8 if options.quick else options.steps, batch=options.batch, seed=seed,
        flat=options.flat if model == "fm-vae" else None,
    )  # fmt: skip
    if folder.is_dir() and not (folder / SETTINGS).exists():
        shutil.rmtree(folder)  # killed before there was anything to go on with
    train(replace(wanted, resume=True) if (folder / SETTINGS).exists() else wanted)


def follow_all(options: Options, home: Path, scored: Sequence[Path], trained_on: Sequence[Path]) -> None:
    """Every video by every distance: tracks as the benchmark takes them, and figures."""
    rules = Rules(overlap=options.overlap, patience=options.patience)
    appearances: dict[str, Appearance] = {}
    for name in options.distance:
        if (make := DISTANCES[name]) is not None:
            appearances[name] = make(home / (RUNS[name] or ""))
    learned = trained_on if appearances else ()
    others = [read_video(folder, options.confidence, labels=False) for folder in learned]
    limits = thresholds(appearances, others, options.crop, rules)
    for name in (name for name, limit in limits.items() if math.isinf(limit)):
        print(
            f"note: {name}: the videos that are learned from show no pair of crops to choose a threshold by, and all "
            "count as alike; give more of them, or longer ones"
        )
    found: dict[str, Any] = {name: {"threshold": limits.get(name), "videos": {}} for name in options.distance}
    for folder in scored:
        video = read_video(folder, options.confidence)
        trackers = {name: Tracker(appearances.get(name), limits.get(name, np.inf), rules) for name in options.distance}
        for name, (identities, seconds) in follow(video, trackers, options.crop).items():
            known = identities != NOBODY
            detected = video.detections
            path = home / "tracks" / name / f"{folder.resolve().name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tracks(path, detected.frames[known], identities[known], detected.boxes[known])
            found[name]["videos"][folder.resolve().name] = {**scores(video, identities), "seconds": seconds}
    for one in found.values():
        one["overall"] = overall(list(one["videos"].values()))
    write_json(home / FIGURES, found)


def follow(video: Video, trackers: Mapping[str, Tracker], side: int) -> dict[str, tuple[np.ndarray, float]]:
    """Identities ``[N]`` of the video's detections by each of ``trackers``, and how many seconds each took."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in trackers}
    seconds = dict.fromkeys(trackers, 0.0)
    look = any(tracker.appearance is not None for tracker in trackers.values())
    empty = np.empty((0, side, side, 3), np.uint8)
    frames = shown(video, side) if look else ((own, empty) for own in by_frame(video.detections.frames, video.length))
    for own, crops in tqdm(frames, video.name, video.length, unit="frame", disable=None):
        for name, tracker in trackers.items():
            begun = time.process_time()
            found[name].append(tracker.step(video.detections.boxes[own], crops))
            seconds[name] += time.process_time() - begun
    return {name: (np.concatenate(parts), round(seconds[name], 3)) for name, parts in found.items()}


def compared(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over seeds with 95% intervals, and switches beside those of boxes alone."""
    figures: dict[str, Any] = {}
    for name in seeds[0]:
        rows = [one[name]["overall"] for one in seeds]
        figures[name] = {key: asdict(bootstrap_interval([row[key] for row in rows])) for key in rows[0]}
        figures[name]["seeds"] = rows
        if IOU in seeds[0]:
            pairs = [(row["switches"], one[IOU]["overall"]["switches"]) for row, one in zip(rows, seeds, strict=True)]
            # Of none there is no share.
            if shares := [own / boxes for own, boxes in pairs if boxes > 0]:
                figures[name]["switches_of_iou"] = {**asdict(bootstrap_interval(shares)), "seeds": shares}
    return figures


def table(figures: Mapping[str, Any]) -> str:
    """For the terminal."""
    lines = [f"{'distance':10}" + "".join(f"{name:>24}" for name in SHOWN)]
    for name, row in figures.items():
        cells = []
        for key in SHOWN:
            mean, low, high = (digits(row[key][part]) for part in ("mean", "low", "high"))
            cells.append(f"{mean} ({low} to {high})" if len(row["seeds"]) > 1 else mean)
        lines.append(f"{name:10}" + "".join(f"{cell:>24}" for cell in cells))
    for name, row in figures.items():
        if name != IOU and "switches_of_iou" in row:
            share = row["switches_of_iou"]["mean"]
            lines.append(f"{name}: {share:.2f} times iou's switches, {'at most' if share <= 0.5 else 'more than'} half")
    return "\n".join(lines)


def _typed(value: object) -> str:
    """As it is given after a flag."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
