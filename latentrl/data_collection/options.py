"""The options of ``latentrl collect``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from latentrl.data_collection.workers import usable_cores
from latentrl.envs import ENVIRONMENTS, environment_named
from latentrl.envs.description import Collection, Environment
from latentrl.support.errors import UserError
from latentrl.support.options import JSON_OBJECT, default_hint

COLLECTED = ("sequences", "test_sequences", "length", "hold", "amplitude", "num_envs")
"""The options whose defaults an environment says."""
NOT_OF_THE_DATA = ("out", "overwrite", "resume", "processes")
MOST_WORKERS = 16
"""More than this write faster than one process reads."""


def _by_environment(name: str, metavar: str, unless: str | None = None) -> Any:
    """How ``--help`` shows a default that environments say: the general one, or ``unless``, then who has another."""
    general = getattr(Collection(), name)
    own = {alias: getattr(one.collection, name) for alias, one in ENVIRONMENTS.items()}
    others = [f"{alias}: {value:g}" for alias, value in own.items() if value != general]
    return default_hint("; ".join([unless or f"{general:g}", *others]), metavar)


@dataclass(frozen=True)
class CollectOptions:
    """Record random sequences from an environment: a train split and a test split from different seeds."""

    env: Annotated[
        str,
        tyro.conf.arg(
            help=f"An alias ({', '.join(ENVIRONMENTS)}) or any Gymnasium id with continuous actions, also as module:id."
        ),
    ] = next(iter(ENVIRONMENTS))
    out: Annotated[Path | None, default_hint("data/ENV", "FOLDER")] = None
    """The data folder to make."""
    sequences: Annotated[int | None, _by_environment("sequences", "INT")] = None
    """Sequences to train on."""
    test_sequences: Annotated[int | None, _by_environment("test_sequences", "INT")] = None
    """Held-out sequences."""
    length: Annotated[int | None, _by_environment("length", "INT")] = None
    """Observations in each sequence."""
    seed: int = 0
    """Of environments and controls; the test split gets a stream of its own."""
    pixels: Annotated[int | None, default_hint("off", "SIZE")] = None
    """Observe rendered pictures of this size; the environment's own observation becomes ground truth."""
    grey: tyro.conf.FlagCreatePairsOff[bool] = False
    """With --pixels: brightness alone, one number a pixel in place of three."""
    reset_options: Annotated[
        dict[str, Any] | None, JSON_OBJECT, tyro.conf.arg(help_behavior_hint="(default: none)")
    ] = None
    """Options of every reset, such as where episodes start: '{"low": -1.2, "high": 0.6}'."""
    hold: Annotated[float | None, _by_environment("hold", "FLOAT")] = None
    """Probability that a control is held for another step; 0 draws a fresh one each step."""
    amplitude: Annotated[float | None, _by_environment("amplitude", "FLOAT")] = None
    """Share of the action space that controls are drawn from, around its middle."""
    num_envs: Annotated[int | None, _by_environment("num_envs", "INT", "100 if vectorised, else 8")] = None
    """Environments that start together; part of what a seed fixes."""
    processes: Annotated[int | None, default_hint("1; reacher's pixels: as many as there are cores", "INT")] = None
    """Processes that move and render environments; the data does not depend on it."""
    torque: Annotated[float | None, default_hint("2", "FLOAT")] = None
    """Pendulum: bound of the random torques in N m."""
    picture: Annotated[Literal["blob", "rod"] | None, default_hint("blob", "{blob,rod}")] = None
    """Pendulum: what the camera sees."""
    noise: Annotated[float | None, default_hint("0.01; reacher: 0.001", "FLOAT")] = None
    """Standard deviation of the sensor noise. Pendulum: a fraction of full scale; reacher: radians."""
    observation: Annotated[Literal["angles", "pixels"] | None, default_hint("angles", "{angles,pixels}")] = None
    """Reacher: the angles of the joints, or pictures of 64 x 64 pixels."""
    control_step: Annotated[float | None, default_hint("0.04", "FLOAT")] = None
    """Reacher: seconds between observations, a multiple of 0.02."""
    describe: Annotated[str | None, default_hint("what the environment says of itself", "FILE")] = None
    """A TOML or JSON file that declares coordinates of the ground truth, and tasks: see latentrl.envs.declaration."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with the interrupted collection of this folder, with its own settings."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace an existing data folder."""

    @property
    def env_id(self) -> str:
        """The Gymnasium id behind the alias."""
        return ENVIRONMENTS[self.env].env_id if self.env in ENVIRONMENTS else self.env

    @property
    def environment(self) -> Environment | None:
        """What the environment says of itself, if it is one of this package."""
        return environment_named(self.env_id)

    @property
    def folder(self) -> Path:
        """Where the data goes."""
        name = self.env.split(":")[-1].replace("/", "-")
        return self.out or Path("data") / (f"{name}-pixels" if self.observation == "pixels" else name)

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The environment's settings that were given."""
        known = self.environment.flags if self.environment else {}
        for owner in ENVIRONMENTS.values():
            for flag in owner.flags:
                if flag not in known and getattr(self, flag) is not None:
                    name = flag.replace("_", "-")
                    raise UserError(f"--{name} belongs to {owner.env_id}: leave it out for --env {self.env}")
        return {name: getattr(self, flag) for flag, name in known.items() if getattr(self, flag) is not None}

    @property
    def defaults(self) -> Collection:
        """What is collected from this environment when nothing else is said."""
        return self.environment.collection if self.environment else Collection()

    def complete(self) -> CollectOptions:
        """These options, with the environment's defaults for what was not given."""
        own = asdict(self.defaults)
        return replace(self, **{name: own[name] for name in COLLECTED if getattr(self, name) is None})

    @property
    def settings(self) -> dict[str, Any]:
        """The options that the data depends on, as JSON has them."""
        return {key: value for key, value in asdict(self).items() if key not in NOT_OF_THE_DATA}

    @property
    def worker_count(self) -> int:
        """How many processes to use: where MuJoCo renders several are worth their start."""
        if self.processes is not None:
            return self.processes
        return min(usable_cores(), MOST_WORKERS) if self.observation == "pixels" else 1
