"""Record random sequences from an environment into a data folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from latentrl.clusters.on_ray import ray_cluster
from latentrl.clusters.where import LOCAL, RAY, SLURM, where
from latentrl.data_collection import storage
from latentrl.data_collection.behaviour import held_uniform
from latentrl.data_collection.elsewhere import player_on
from latentrl.data_collection.folders import resumable_folder, settle, unfinished_folder
from latentrl.data_collection.ground_truth import check_recorded, declaration_in
from latentrl.data_collection.making import make
from latentrl.data_collection.options import CollectOptions, parse
from latentrl.data_collection.photograph import NUMBERS, PICTURE, Photograph, photograph
from latentrl.data_collection.recording import UNFINISHED, Recording, record
from latentrl.data_collection.rollout import Tally, gather, player
from latentrl.data_collection.timing import control_step_of
from latentrl.data_collection.workers import Workers
from latentrl.envs import suggestion_for
from latentrl.envs.coordinates import Coordinate
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.options import check_seed
from latentrl.support.printing import say
from latentrl.support.progress import progress
from latentrl.support.suggestion import SUGGESTED, Suggestion
from latentrl.types import Trajectory

__all__ = ["CollectOptions", "collect", "main"]


def collect(options: CollectOptions) -> Path:
    """Make the data folder; it appears when it is complete.

    An interrupted collection is gone on with if the settings are the same, or whatever they are with ``resume``. The
    data is then what it would have been without the interruption.

    Raises:
        UserError: an unknown or unsuitable environment, an existing folder, a full disk, a bad number.
        SystemExit: on Ctrl-C, with the code 130; what is recorded is kept.
    """
    folder = options.folder
    recording = None if options.overwrite else Recording.load(unfinished_folder(folder))
    if options.resume and recording is None and (folder / storage.METADATA).is_file():
        settle(folder, UNFINISHED)
        print(f"{folder} is finished already\n{_next_command(folder)}")
        return folder
    options = _agreed(options, recording).complete()
    _check(options)
    try:
        with resumable_folder(folder, UNFINISHED, options.overwrite, recording is not None) as temporary:
            _record(options, recording or Recording(options.settings), temporary)
    except KeyboardInterrupt:
        kept = Recording.load(unfinished_folder(folder))
        print(f"\ninterrupted; {kept.sequences if kept else 0} sequences are recorded")
        if kept:
            print(f"next: {command('collect', '--out', folder, '--resume', *_module_words(options))}")
        raise SystemExit(130) from None
    print(_next_command(folder))
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl collect``."""
    with reported():
        collect(parse(argv))


def _next_command(folder: Path) -> str:
    """What is there, how to look at it, and what comes next."""
    goal = next((folder / name for name in (PICTURE, NUMBERS) if (folder / name).is_file()), None)
    return "\n".join(
        [
            *([] if goal is None else [f"{goal}: the goal"]),
            f"to look at it first: {command('inspect', '--data', folder)}",
            f"next: {command('train', '--data', folder, *Suggestion.of(storage.load_metadata(folder)).train)}",
        ]
    )


def _module_words(options: CollectOptions) -> tuple[str, ...]:
    """The environment as flags, where it is named with a module: that is imported for who names it alone."""
    return ("--env", options.env) if ":" in options.env else ()


def _agreed(options: CollectOptions, recording: Recording | None) -> CollectOptions:
    """The options to go on with: the recording's where they are asked for."""
    folder = options.folder
    if recording is None:
        if options.resume:
            raise UserError(f"--resume: there is no interrupted collection of {folder}; leave --resume out")
        return options
    if options.resume:
        kept = recording.options()
        if ":" in str(kept.env) and kept.env != options.env:
            raise UserError(
                f"--resume: {unfinished_folder(folder)} was begun with --env {kept.env}, whose module is only imported "
                f"if you name it: {command('collect', '--out', folder, '--resume', '--env', kept.env)}"
            )
        # A folder that stands there was to be replaced: else the collection would not have begun.
        return replace(kept, out=folder, processes=options.processes, on=options.on, overwrite=folder.exists())
    if options.complete().settings != recording.settings:
        raise UserError(
            f"{unfinished_folder(folder)} holds an interrupted collection with other settings: "
            "give --resume to go on with it, or --overwrite to begin again"
        )
    return options


def _check(options: CollectOptions) -> None:
    folder = options.folder
    check_seed(options.seed)
    least = {"sequences": 1, "test_sequences": 1, "length": 2, "num_envs": 1, "processes": 1, "repeat": 1}
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and value < bound:
            raise UserError(f"--{name.replace('_', '-')} {value}: give {bound} or more")
    if options.on == SLURM:
        raise UserError(f"--on {SLURM}: a collection is one command: give it to sbatch --wrap '...', without --on")
    where(options.on, (LOCAL, RAY))
    for flag, given in {"--grey": options.grey, "--crop": options.crop is not None}.items():
        if given and options.pixels is None:
            raise UserError(f"{flag} belongs to --pixels: give its SIZE, or leave {flag} out")
    sides = [options.pixels] if isinstance(options.pixels, int) else options.pixels
    if sides is not None and min(sides) < 1:
        raise UserError(f"--pixels {'x'.join(map(str, sides))}: give 1 or more")
    if options.crop is not None and (min(options.crop[:2]) < 0 or min(options.crop[2:]) < 1):
        raise UserError(
            f"--crop {','.join(map(str, options.crop))}: give top and left of 0 or more, height and width of 1 or more"
        )
    assert options.hold is not None and options.amplitude is not None
    if not 0.0 <= options.hold < 1.0:
        raise UserError(f"--hold {options.hold}: give a probability below 1")
    if not 0.0 < options.amplitude <= 1.0:
        raise UserError(f"--amplitude {options.amplitude}: give a share above 0, at most 1")
    if folder.exists() and not options.overwrite:
        raise UserError(f"{folder} exists already: give --overwrite to replace it, or another folder with --out")
    if folder.exists() and not (folder / storage.METADATA).is_file():
        what = "is a file" if folder.is_file() else "is no data folder"
        raise UserError(f"--overwrite: {folder} {what}, so it stays; give another folder with --out")


def _record(options: CollectOptions, recording: Recording, folder: Path) -> None:
    """Write what is missing of both splits, then the goal."""
    assert options.sequences and options.test_sequences and options.length
    assert options.hold is not None and options.amplitude is not None
    train_seed, test_seed = (int(s) for s in np.random.SeedSequence(options.seed).generate_state(2))
    splits = {"train": (options.sequences, train_seed), "test": (options.test_sequences, test_seed)}
    behaviour = partial(held_uniform, hold=options.hold, amplitude=options.amplitude)
    arguments: dict[str, Any] = {
        "env_id": options.env_id,
        "env_kwargs": options.env_kwargs,
        "num_envs": options.num_envs,
        "pixels": options.pixels,
        "grey": options.grey,
        "repeat": options.repeat,
        "crop": options.crop,
    }
    how = partial(make, **arguments)
    total, done = ((n * options.length) for n in (options.sequences + options.test_sequences, recording.sequences))
    with ExitStack() as stack:
        envs = stack.enter_context(closing(how()))
        said = declaration_in(envs, options.env_id, options.env_kwargs, options.pixels, options.describe)
        coordinates = said.coordinates
        # Before anything is recorded, so that a goal that cannot be photographed costs nothing.
        goal = photograph(envs, options)
        metadata = _metadata(options, envs, coordinates, goal) | ({"tasks": said.tasks} if said.tasks else {})
        play = player(envs, options.reset_options)
        place = where(options.on, (LOCAL, RAY))
        if place.kind == RAY:
            cluster = stack.enter_context(ray_cluster(place.address))
            play = player_on(cluster, arguments, options.reset_options, options.processes or cluster.cores)
        elif options.worker_count > 1:
            play = stack.enter_context(Workers(how, options.worker_count, options.reset_options)).play
        start = time.perf_counter()
        with progress(total, "frame", f"collect {options.env}", done) as bar:
            for split, (sequences, seed) in splits.items():
                tally = recording.tally(split)
                gathered = gather(play, envs, sequences, options.length, seed, behaviour, tally)
                with closing(gathered):
                    record(folder, split, _checked(gathered, coordinates), recording, metadata, bar.update)
        seconds = time.perf_counter() - start
        if goal is not None:
            goal.write(folder)
    print(f"{options.folder}: {total:,} frames, {(total - done) / seconds:,.0f} frames/s")
    episodes = sum(recording.tally(split).rounds for split in splits) * envs.num_envs
    dropped = sum(recording.tally(split).dropped for split in splits)
    if dropped:
        say(
            f"{dropped:,} of {episodes:,} episodes ({dropped / episodes:.1%} of what was played) were dropped: they "
            f"ended before --length {options.length}"
        )


def _checked(
    gathered: Iterable[tuple[list[Trajectory], Tally]], coordinates: Sequence[Coordinate]
) -> Iterator[tuple[list[Trajectory], Tally]]:
    """The same, refused before it is written where the coordinates do not fit it."""
    for trajectories, tally in gathered:
        for trajectory in trajectories[:1]:
            check_recorded(coordinates, trajectory.infos, len(trajectory.observations))
        yield trajectories, tally


def _metadata(
    options: CollectOptions, envs: VectorEnv, coordinates: Sequence[Coordinate], goal: Photograph | None
) -> dict[str, Any]:
    action_space = envs.single_action_space
    assert isinstance(action_space, Box)
    step = control_step_of(envs, options.repeat)
    seen = {"env_id": options.env_id, "env_kwargs": options.env_kwargs, "pixels": options.pixels}
    suggested = suggestion_for(seen).as_json()
    return {
        **seen,
        "grey": options.grey,
        "crop": options.crop,
        "repeat": options.repeat,
        "control_step": step.seconds,
        "control_step_from": step.said_by,
        "reset_options": options.reset_options,
        "action_low": action_space.low.reshape(-1).tolist(),
        "action_high": action_space.high.reshape(-1).tolist(),
        "coordinates": [one.as_json() for one in coordinates],
        "collection": options.settings,
        **({SUGGESTED: suggested} if suggested else {}),
        **({} if goal is None else {"goal": goal.name, "goal_truth": _as_json(goal.truth)}),
    }


def _as_json(truth: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Arrays as nested lists of numbers."""
    return {key: np.asarray(values).tolist() for key, values in truth.items()}


if __name__ == "__main__":
    main()
