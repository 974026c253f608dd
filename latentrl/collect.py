"""Record random sequences from an environment into a data folder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv
from PIL import Image
from tqdm import tqdm
from tyro.constructors import PrimitiveConstructorSpec

from latentrl.data_collection import storage
from latentrl.data_collection.behaviour import held_uniform
from latentrl.data_collection.folders import complete_folder
from latentrl.data_collection.making import make
from latentrl.data_collection.rollout import rollout
from latentrl.envs import PENDULUM
from latentrl.errors import UserError, reported

ALIASES = {"pendulum": PENDULUM}


def _json_object(arguments: list[str]) -> dict[str, Any]:
    found = json.loads(arguments[0])
    if not isinstance(found, dict):
        raise ValueError(f"{arguments[0]} is no JSON object; give {{...}}")
    return found


JSON_OBJECT = PrimitiveConstructorSpec(
    nargs=1,
    metavar="JSON",
    instance_from_str=_json_object,
    is_instance=lambda value: isinstance(value, dict),
    str_from_instance=lambda value: [json.dumps(value)],
)
"""How tyro reads a dictionary that is given as JSON."""


@dataclass(frozen=True)
class CollectOptions:
    """Record random sequences from an environment: a train split and a test split from different seeds."""

    env: str = "pendulum"
    """An alias (pendulum) or any Gymnasium id with continuous actions, also as module:id."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="(default: data/ENV)")] = None
    """The data folder to make."""
    sequences: int = 500
    """Sequences to train on."""
    test_sequences: int = 500
    """Held-out sequences."""
    length: int = 15
    """Observations in each sequence."""
    seed: int = 0
    """Of environments and controls; the test split gets a stream of its own."""
    pixels: Annotated[int | None, tyro.conf.arg(metavar="SIZE", help_behavior_hint="(default: off)")] = None
    """Observe rendered pictures of this size; the environment's own observation becomes ground truth."""
    grey: tyro.conf.FlagCreatePairsOff[bool] = False
    """With --pixels: brightness alone, one number a pixel in place of three."""
    reset_options: Annotated[
        dict[str, Any] | None, JSON_OBJECT, tyro.conf.arg(help_behavior_hint="(default: none)")
    ] = None
    """Options of every reset, such as where episodes start: '{"low": -1.2, "high": 0.6}'."""
    hold: float = 0.0
    """Probability that a control is held for another step; 0 draws a fresh one each step."""
    num_envs: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: 100 if vectorised, else 8)")
    ] = None
    """Environments in parallel; part of what a seed fixes."""
    torque: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="(default: 2)")] = None
    """Pendulum: bound of the random torques in N m."""
    picture: Annotated[
        Literal["blob", "rod"] | None, tyro.conf.arg(metavar="{blob,rod}", help_behavior_hint="(default: blob)")
    ] = None
    """Pendulum: what the camera sees."""
    noise: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="(default: 0.01)")] = None
    """Pendulum: standard deviation of the sensor noise as a fraction of full scale."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace an existing data folder."""

    @property
    def env_id(self) -> str:
        """The Gymnasium id behind the alias."""
        return ALIASES.get(self.env, self.env)

    @property
    def folder(self) -> Path:
        """Where the data goes."""
        return self.out or Path("data") / self.env.split(":")[-1].replace("/", "-")

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The pendulum's settings that were given."""
        flags = {"torque": "torque_limit", "picture": "picture", "noise": "noise"}
        given = {flag: getattr(self, flag) for flag in flags if getattr(self, flag) is not None}
        if given and self.env_id != PENDULUM:
            raise UserError(f"--{next(iter(given))} belongs to {PENDULUM}: leave it out for --env {self.env}")
        return {flags[flag]: value for flag, value in given.items()}


def collect(options: CollectOptions) -> Path:
    """Make the data folder; it appears when it is complete.

    Raises:
        UserError: an unknown or unsuitable environment, an existing folder, a full disk, a bad number.
    """
    folder = options.folder
    _check(options)
    envs = _make(options)
    try:
        with complete_folder(folder, options.overwrite) as temporary:
            seconds = _record(options, envs, temporary)
            if hasattr(envs, "photograph"):
                goal = envs.photograph([0.0])[0]
                Image.fromarray(goal[..., 0]).save(temporary / "goal.png")
    finally:
        envs.close()
    frames = (options.sequences + options.test_sequences) * options.length
    print(f"{folder}: {frames:,} frames, {frames / seconds:,.0f} frames/s")
    print(f"next: python -m latentrl.train --data {folder}")
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl collect``."""
    with reported():
        collect(tyro.cli(CollectOptions, args=argv, prog="latentrl collect"))


def _check(options: CollectOptions) -> None:
    folder = options.folder
    if options.sequences < 1 or options.test_sequences < 1:
        raise UserError("--sequences and --test-sequences: give one or more")
    if options.length < 2:
        raise UserError(f"--length {options.length}: give two or more")
    if options.num_envs is not None and options.num_envs < 1:
        raise UserError(f"--num-envs {options.num_envs}: give one or more")
    if options.pixels is not None and options.pixels < 1:
        raise UserError(f"--pixels {options.pixels}: give one or more")
    if options.grey and options.pixels is None:
        raise UserError("--grey belongs to --pixels: give its SIZE, or leave --grey out")
    if not 0.0 <= options.hold < 1.0:
        raise UserError(f"--hold {options.hold}: give a probability below 1")
    if folder.exists() and not options.overwrite:
        raise UserError(f"{folder} exists already: give --overwrite to replace it, or another folder with --out")
    if folder.exists() and not (folder / storage.METADATA).is_file():
        raise UserError(f"--overwrite: {folder} is no data folder, so it stays; give another folder with --out")


def _make(options: CollectOptions) -> VectorEnv:
    try:
        return make(options.env_id, options.env_kwargs, options.num_envs, options.pixels, options.grey)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--env {options.env}: {error}") from error


def _record(options: CollectOptions, envs: VectorEnv, folder: Path) -> float:
    """Write both splits; returns the seconds it took."""
    action_space = envs.single_action_space
    assert isinstance(action_space, Box)
    settings = {key: value for key, value in asdict(options).items() if key not in ("out", "overwrite")}
    metadata = {
        "env_id": options.env_id,
        "env_kwargs": options.env_kwargs,
        "pixels": options.pixels,
        "grey": options.grey,
        "action_low": action_space.low.reshape(-1).tolist(),
        "action_high": action_space.high.reshape(-1).tolist(),
        "collection": settings,
    }
    train_seed, test_seed = (int(s) for s in np.random.SeedSequence(options.seed).generate_state(2))
    splits = {"train": (options.sequences, train_seed), "test": (options.test_sequences, test_seed)}
    behaviour = partial(held_uniform, hold=options.hold)
    frames = (options.sequences + options.test_sequences) * options.length
    start = time.perf_counter()
    with tqdm(total=frames, unit="frame", desc=f"collect {options.env}", disable=None) as bar:
        for split, (sequences, seed) in splits.items():
            trajectories = rollout(envs, sequences, options.length, seed, behaviour, bar.update, options.reset_options)
            storage.write(folder, split, trajectories, metadata)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
