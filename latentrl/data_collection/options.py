"""The options of ``latentrl collect``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from latentrl.clusters.where import LOCAL
from latentrl.envs import ENVIRONMENTS, environment_named
from latentrl.envs.description import Collection, Environment, Flag
from latentrl.support.errors import UserError
from latentrl.support.options import JSON_OBJECT, default_hint
from latentrl.support.processes import usable_cores

COLLECTED = ("sequences", "test_sequences", "length", "hold", "amplitude", "num_envs")
"""The options whose defaults an environment says."""
NOT_OF_THE_DATA = ("out", "overwrite", "resume", "processes", "on")
MOST_WORKERS = 16
"""More than this write faster than one process reads."""


def _numbers(count: int | None, pattern: str, separator: str) -> Callable[[list[str]], list[int]]:
    """Reads whole numbers; one alone stands for two of them where ``count`` is None."""

    def read(arguments: list[str]) -> list[int]:
        try:
            found = [int(part) for part in arguments[0].lower().split(separator)]
        except ValueError:
            found = []
        if len(found) not in ((1, 2) if count is None else (count,)):
            raise ValueError(f"{arguments[0]} is not {pattern}")
        return found

    return read


def _size(arguments: list[str]) -> int | list[int]:
    found = _numbers(None, "a size such as 64, or HEIGHTxWIDTH such as 48x64", "x")(arguments)
    return found[0] if len(found) == 1 else found


SIZE = PrimitiveConstructorSpec(
    nargs=1,
    metavar="SIZE|HxW",
    instance_from_str=_size,
    is_instance=lambda value: isinstance(value, int | list | tuple),
    str_from_instance=lambda value: ["x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)],
)
"""How tyro reads the size of a picture."""
CROP = PrimitiveConstructorSpec(
    nargs=1,
    metavar="TOP,LEFT,HEIGHT,WIDTH",
    instance_from_str=_numbers(4, "TOP,LEFT,HEIGHT,WIDTH, such as 0,40,400,400", ","),
    is_instance=lambda value: isinstance(value, list | tuple),
    str_from_instance=lambda value: [",".join(map(str, value or ()))],
)
"""How tyro reads a part of a picture."""


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
            metavar="ENV",
            help=f"An alias ({', '.join(ENVIRONMENTS)}) or any Gymnasium id with continuous actions, also as "
            "module:id.",
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
    pixels: Annotated[int | Sequence[int] | None, SIZE, tyro.conf.arg(help_behavior_hint="(default: off)")] = None
    """Observe rendered pictures of this size; the environment's own observation becomes ground truth."""
    grey: tyro.conf.FlagCreatePairsOff[bool] = False
    """With --pixels: brightness alone, one number a pixel in place of three."""
    crop: Annotated[Sequence[int] | None, CROP, tyro.conf.arg(help_behavior_hint="(default: all)")] = None
    """With --pixels: the part of the rendered picture to look at, in its own pixels."""
    repeat: int = 1
    """Steps of the environment that each action is held for; only the last is observed."""
    env_kwargs: Annotated[dict[str, Any], JSON_OBJECT, tyro.conf.arg(help_behavior_hint="(default: none)")] = field(
        default_factory=dict
    )
    """Arguments that the environment is made with: '{"height": 256, "width": 256}'."""
    reset_options: Annotated[
        dict[str, Any] | None, JSON_OBJECT, tyro.conf.arg(help_behavior_hint="(default: none)")
    ] = None
    """Options of every reset, such as where episodes start: '{"low": -1.2, "high": 0.6}'."""
    goal_options: Annotated[dict[str, Any] | None, JSON_OBJECT, tyro.conf.arg(help_behavior_hint="(default: none)")] = (
        None
    )
    """Options of a reset that is photographed as the goal, goal.png or goal.json: '{"angle": 0}'."""
    hold: Annotated[float | None, _by_environment("hold", "FLOAT")] = None
    """Probability that a control is held for another step; 0 draws a fresh one each step."""
    amplitude: Annotated[float | None, _by_environment("amplitude", "FLOAT")] = None
    """Share of the action space that controls are drawn from, around its middle."""
    num_envs: Annotated[int | None, _by_environment("num_envs", "INT", "100 if vectorised, else 8")] = None
    """Environments that start together; part of what a seed fixes."""
    processes: Annotated[int | None, default_hint("1; rendered by MuJoCo: as many as there are cores", "INT")] = None
    """Processes that move and render environments; the data does not depend on it."""
    on: Annotated[str, tyro.conf.arg(metavar="{local,ray,ray://HOST:PORT}")] = LOCAL
    """Where environments are moved and rendered: here, or on a cluster of Ray (pip install 'latentrl[ray]'), with
    --processes rounds at a time, by default as many as it has cores; the data does not depend on it."""
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
        return self.out or Path("data") / (f"{name}-pixels" if self.pictures else name)

    @property
    def pictures(self) -> bool:
        """Whether the environment says that it observes pictures that take long to render."""
        return self.environment is not None and self.environment.pictures(self.env_kwargs)

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
        found = {key: value for key, value in asdict(self).items() if key not in NOT_OF_THE_DATA}
        return json.loads(json.dumps(found))

    @property
    def worker_count(self) -> int:
        """How many processes to use: where MuJoCo renders several are worth their start."""
        if self.processes is not None:
            return self.processes
        return min(usable_cores(), MOST_WORKERS) if self.pictures else 1


def parse(argv: Sequence[str] | None = None) -> CollectOptions:
    """The options of a command line, with the flags that environments of this package bring along.

    Raises:
        UserError: a flag of another environment.
    """
    owners = _flags()
    extra = [(name, _annotated(flags), field(default=None)) for name, flags in owners.items()]
    cls = make_dataclass("CollectOptions", extra, bases=(CollectOptions,), frozen=True)
    given: CollectOptions = tyro.cli(cls, args=argv, prog="latentrl collect", description=CollectOptions.__doc__)
    options = CollectOptions(**{key: getattr(given, key) for key in CollectOptions.__dataclass_fields__})
    return replace(options, env_kwargs={**options.env_kwargs, **_own(options, vars(given), owners)})


def _flags() -> dict[str, dict[str, Flag]]:
    """By name, then by the alias of the environment that has it."""
    found: dict[str, dict[str, Flag]] = {}
    for alias, environment in ENVIRONMENTS.items():
        for flag in environment.flags:
            found.setdefault(flag.name, {})[alias] = flag
    return found


def _annotated(flags: Mapping[str, Flag]) -> Any:
    """The type and the help of a flag that these environments have."""
    text = " ".join(f"{alias.capitalize()}: {flag.help} ({flag.default})." for alias, flag in flags.items())
    kind = next(iter(flags.values())).kind
    words = get_args(kind)
    metavar = f"{{{','.join(map(str, words))}}}" if words else kind.__name__.upper()
    return Annotated[kind | None, tyro.conf.arg(help=text, metavar=metavar, help_behavior_hint="")]


def _own(options: CollectOptions, given: Mapping[str, Any], owners: Mapping[str, Mapping[str, Flag]]) -> dict[str, Any]:
    """The arguments that were given as flags, all of which the environment has to have."""
    known = {flag.name: flag for flag in options.environment.flags} if options.environment else {}
    for name, flags in owners.items():
        if name not in known and given[name] is not None:
            which = " and ".join(ENVIRONMENTS[alias].env_id for alias in flags)
            raise UserError(
                f"--{name.replace('_', '-')} belongs to {which}: leave it out for --env {options.env}, whose "
                "arguments are given with --env-kwargs"
            )
    return {flag.key: given[name] for name, flag in known.items() if given[name] is not None}
