"""The options of ``latentrl train``: what they are, which are refused, and how a run folder keeps them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from tyro.constructors import PrimitiveConstructorSpec

from latentrl.inference.backends import AUTO as AUTOMATIC
from latentrl.inference.backends import BACKENDS, choose
from latentrl.models import MODELS, STATICS, entry_of
from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import FrameDecoder, FrameEncoder
from latentrl.objectives import OBJECTIVES
from latentrl.priors import PRIORS
from latentrl.shipped.copies import NEW_RUN
from latentrl.support.errors import UserError
from latentrl.support.options import check_one_or_more, check_seed, default_hint
from latentrl.tracking import TRACK, choice_of
from latentrl.training.settings import FlatPart

AUTO = -1
"""A size that is to be estimated from the data; see :mod:`latentrl.training.sizes`."""
LARGEST_STATE = 1000
"""Dimensions: covariances hold the square of it."""
SMALLEST_KAPPA, LARGEST_KAPPA = 1e-12, 1e12
"""In any unit: of others the square is no number in float32, or has no inverse there."""
LARGEST_FLAT = 1e6
"""Gradients that are this much larger are still numbers, and an optimiser does not see their scale."""


def _size(arguments: list[str]) -> int:
    if arguments[0] == "auto":
        return AUTO
    size = int(arguments[0])
    if size < 1:
        raise ValueError(f"{size}: give auto, or one or more")
    return size


SIZE = PrimitiveConstructorSpec(
    nargs=1,
    metavar="{auto,INT}",
    instance_from_str=_size,
    is_instance=lambda value: isinstance(value, int),
    str_from_instance=lambda value: ["auto" if value == AUTO else str(value)],
)
"""How tyro reads the size of a state."""


def _choice(arguments: list[str]) -> bool | None:
    if arguments and arguments[0] not in CHOICES:
        raise ValueError(f"{arguments[0]}: give auto, yes or no")
    return CHOICES[arguments[0]] if arguments else True


CHOICES: dict[str, bool | None] = {"auto": None, "yes": True, "no": False}
CHOICE = PrimitiveConstructorSpec(
    nargs=(0, 1),
    metavar="{auto,yes,no}",
    instance_from_str=_choice,
    is_instance=lambda value: value is None or isinstance(value, bool),
    str_from_instance=lambda value: [next(name for name, meaning in CHOICES.items() if meaning is value)],
)
"""How tyro reads what is chosen from the data unless it is told: the flag alone is a yes."""


@dataclass(frozen=True)
class TrainOptions:
    """Fit a latent state-space model to recorded sequences."""

    data: Path = Path("data/pendulum")
    """A data folder made by `latentrl collect`."""
    run: Annotated[Path | None, NEW_RUN, default_hint("runs/NAME_OF_DATA", "FOLDER")] = None
    """The run folder to make."""
    model: Annotated[str, tyro.conf.arg(metavar="{" + ",".join((*MODELS, *STATICS)) + "}")] = next(iter(MODELS))
    """Which state-space model: extended Kalman VAE, deep Kalman smoother or filter, deep variational Bayes s. or f.,
    Kalman VAE, recurrent state-space model. Or a static one, of single frames: VAE, with the hierarchical prior, with
    it and flat, or with the VampPrior, importance-weighted autoencoder (docs/statics.md)."""
    recipe: Literal["latentrl", "source"] = "latentrl"
    """latentrl: coarse to fine, held sigma, several starts, joint posterior. source: the dissertation's, plainly."""
    objective: Annotated[str, tyro.conf.arg(metavar="{" + ",".join(reversed(OBJECTIVES)) + "}")] = "rewo"
    """rewo, geco, reciprocal: constrained optimisation (Algorithm 3, of static models 2; Eq. 3.4; Eq. 3.12); annealing:
    beta rises linearly; elbo: beta = 1."""
    annealing_steps: Annotated[int | None, default_hint("half of --steps", "INT")] = None
    """Gradient steps that `--objective annealing` takes from beta 0 to 1."""
    annealing_cycles: Annotated[int | None, default_hint("1", "INT")] = None
    """Times that `--objective annealing` begins again: cyclical annealing. Half of a cycle is for beta's rise, unless
    `--annealing-steps` says otherwise."""
    aggressive_steps: Annotated[int | None, default_hint("0", "INT")] = None
    """First gradient steps of which ten of eleven train the encoder alone, and the eleventh all else: against a
    posterior that collapses."""
    kappa: Annotated[float | None, default_hint("a sixth of the data's deviation", "FLOAT")] = None
    """Bound of the constraint: root mean squared error per observation dimension (images in [0, 1])."""
    standardise: Annotated[bool | None, CHOICE] = None
    """Give the networks observations minus their mean, over their deviation; the flag alone is a yes. auto: where what
    stands still outshines what moves, as on a white background, and for sensors in an unusual unit; of sensors whose
    units differ each counts by its own deviation."""
    network: Literal["auto", "dense", "conv", "lean"] = "auto"
    """Encoder and decoder of an EKVAE or a KVAE. conv: the dissertation's convolutions for images, meant for a GPU;
    lean: few layers, much cheaper; auto: dense up to 32 x 32 pixels, then conv on a GPU and lean without."""
    prior: Annotated[str, tyro.conf.arg(metavar="{" + ",".join(reversed(PRIORS)) + "}")] = "vhp"
    """Initial distribution of the latent state. vhp: hierarchical; vamp: a mixture of what the model itself says of 100
    learned frames (docs/models.md)."""
    likelihood: Annotated[Literal["gaussian", "bernoulli"] | None, default_hint("gaussian", "{gaussian,bernoulli}")] = (
        None
    )
    """p(x | z) of a static model; bernoulli is for values from 0 to 1."""
    samples: Annotated[int | None, default_hint("16, of a state-space model 8; of the source's recipe 1", "INT")] = None
    """Importance samples: of the hierarchical prior's bound, or of the whole bound in an iwae."""
    layers: Annotated[int | None, default_hint("1", "{1,2}")] = None
    """Stochastic layers of an iwae."""
    components: Annotated[int | None, default_hint("100", "INT")] = None
    """Pseudo-inputs of a vamp-vae."""
    flat: Annotated[float | None, default_hint("0, or that of an fm-vae's recipe", "FLOAT")] = None
    """Weight of a penalty that makes Euclidean distances of latent positions those of pictures (docs/statics.md)."""
    flat_without: Annotated[FlatPart | None, default_hint("neither", "{mixup,scale}")] = None
    """Leave a part of that penalty out, to see what it does: mixup, and it looks at encoded frames alone; or c^2, the
    scale, and the metric is drawn to zero."""
    version: Annotated[
        Literal["joint", "smoother", "filter"] | None, default_hint("the recipe's", "{joint,smoother,filter}")
    ] = None
    """Posterior under which the rate of an EKVAE is estimated."""
    state_size: Annotated[int, SIZE] = 3
    """Dz, dimensions of the latent state; auto: those of the position, and a velocity for each way that frames move."""
    position_size: Annotated[int, SIZE] = 2
    """Da, how many of them hold the position, where the model tells position from velocity; auto: estimated from single
    frames."""
    steps: Annotated[int | None, default_hint("8000", "INT")] = None
    """Gradient steps of the model that is kept. Recipes begin with several starts, an EKVAE's with four of 400, of
    sensors three of 1000 (of as many as these, where these are fewer), of which the best goes on: the first line that
    a training prints says how many they are in all."""
    batch: Annotated[int | None, default_hint("50", "INT")] = None
    """Sequences in a batch."""
    blur: Annotated[float | None, default_hint("0.125", "FLOAT")] = None
    """First blur of the images as a fraction of their height; 0 for none."""
    seed: int = 0
    """Of weights, batches and samples."""
    device: Annotated[str, tyro.conf.arg(metavar="{auto,cpu,cuda,cuda:N}")] = "auto"
    """Where it is computed; auto: on a GPU where there is one."""
    backend: Annotated[str, tyro.conf.arg(metavar="{" + ",".join((AUTOMATIC, *BACKENDS)) + "}")] = AUTOMATIC
    """How the recursion over time is computed. reference: PyTorch; parallel: all steps at once where their matrices are
    given, for long sequences on a GPU; numba: compiled for the processor, several times as fast (pip install
    'latentrl[fast]'); auto: numba where it is installed, the model can and the device is a CPU. A run
    goes on with its own."""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    """Continue the run where it was interrupted, with its own settings."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace an existing run folder."""
    strict: tyro.conf.FlagCreatePairsOff[bool] = False
    """Exit with code 3 where the training failed at something that shows without labels; it is said in any case."""
    progress: bool = True
    """Show a progress bar."""
    live: tyro.conf.FlagCreatePairsOff[bool] = False
    """On a terminal: a panel with curves, speed and time left in the place of bars."""
    track: Annotated[str | None, TRACK] = None
    """Where else the figures go, beside TensorBoard's log in the run folder; --resume goes on there."""
    explain: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print what would be done with these data and options, stage by stage and why, and do nothing."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run or Path("runs") / self.data.resolve().name


def arguments_of(argv: Sequence[str] | None) -> list[str]:
    """The command's arguments, with the flag that used to stand for a no as it is written now."""
    given = sys.argv[1:] if argv is None else argv
    return [word for one in given for word in (("--standardise", "no") if one == "--no-standardise" else (one,))]


def check_options(options: TrainOptions) -> None:
    """Refuse what no training could use.

    Raises:
        UserError: it names the flag, the value and the cure.
    """
    for flag, name, known in (
        ("model", options.model, {**MODELS, **STATICS}),
        ("objective", options.objective, OBJECTIVES),
        ("prior", options.prior, PRIORS),
    ):
        # The prior of a static model is its own, and said further below.
        if name not in known and not (flag == "prior" and options.model in STATICS):
            raise UserError(f"--{flag} {name}: there is no such {flag}; give one of {', '.join(known)}")
    if options.resume and options.overwrite:
        raise UserError("--overwrite: begins anew and --resume goes on; give one of the two")
    if not options.resume:  # a run that is finished needs none
        choose(options.backend, "cpu")
    if options.live and not options.progress:
        raise UserError("--live: shows what --no-progress hides; give one of the two")
    if options.track is not None:
        choice_of(options.track)
    check_seed(options.seed)
    check_one_or_more(
        steps=options.steps,
        batch=options.batch,
        samples=options.samples,
        components=options.components,
        annealing_cycles=options.annealing_cycles,
    )
    if options.annealing_steps is not None and (options.annealing_steps < 1 or options.objective != "annealing"):
        raise UserError(f"--annealing-steps {options.annealing_steps}: give one or more, with --objective annealing")
    if options.annealing_cycles is not None and options.objective != "annealing":
        raise UserError(f"--annealing-cycles {options.annealing_cycles}: goes with --objective annealing alone")
    if options.aggressive_steps is not None and options.aggressive_steps < 0:
        raise UserError(f"--aggressive-steps {options.aggressive_steps}: give 0 or more")
    if options.version is not None and "version" not in entry_of(options.model).flags:
        having = " and ".join(name for name, entry in MODELS.items() if "version" in entry.flags)
        raise UserError(
            f"--version {options.version}: of the models only {having} has it; others have versions by name"
        )
    _check_static(options)
    _check_flat(options)
    if options.standardise and not entry_of(options.model).has_setting("standardise"):
        having = " and ".join(name for name, entry in MODELS.items() if entry.has_setting("standardise"))
        raise UserError(f"--standardise: of the models only {having} knows it; leave it out, or give --model {having}")
    if options.kappa is not None and not SMALLEST_KAPPA <= options.kappa <= LARGEST_KAPPA:
        raise UserError(f"--kappa {options.kappa}: give a number from {SMALLEST_KAPPA:g} to {LARGEST_KAPPA:g}")
    if (
        options.model not in STATICS
        and AUTO not in (options.state_size, options.position_size)
        and not (0 < options.position_size <= options.state_size)
    ):
        larger = ", or a larger --state-size" if options.position_size > options.state_size else ""
        raise UserError(
            f"--position-size {options.position_size}: give 1 to {options.state_size}, the --state-size{larger}"
        )
    if options.state_size > LARGEST_STATE:
        raise UserError(f"--state-size {options.state_size}: give at most {LARGEST_STATE}")
    if options.blur is not None and not 0 <= options.blur <= 1:
        raise UserError(f"--blur {options.blur}: give a fraction of the image's height, 0 to 1")


OF_STATICS = ("likelihood", "samples", "layers", "components")
"""Options that some static models have and no other."""


def _check_static(options: TrainOptions) -> None:
    """Refuse what a model has no use for: options of other static models, and sizes and priors that it does not choose.

    Raises:
        UserError: it names the flag, the value and the cure.
    """
    for flag in OF_STATICS:
        value = getattr(options, flag)
        if value is not None and flag not in entry_of(options.model).flags:
            having = " and ".join(name for name, entry in STATICS.items() if flag in entry.flags)
            raise UserError(f"--{flag} {value}: {options.model} has no such option; it is one of {having}")
    if options.samples is not None and options.model not in STATICS and options.prior != "vhp":
        raise UserError(
            f"--samples {options.samples}: {options.prior} has no such bound; leave it out, or take --prior vhp"
        )
    if options.layers is not None and options.layers not in (1, 2):
        raise UserError(f"--layers {options.layers}: give 1 or 2")
    if options.model not in STATICS:
        return
    own = STATICS[options.model].settings().prior
    if options.prior not in (own, TrainOptions.prior):
        raise UserError(
            f"--prior {options.prior}: the prior of {options.model} is {own}; leave it out, or give another --model"
        )
    if options.position_size < 1 and options.position_size != AUTO:
        raise UserError(f"--position-size {options.position_size}: give one or more, or auto")
    if options.state_size not in (TrainOptions.state_size, options.position_size, AUTO):
        raise UserError(
            f"--state-size {options.state_size}: a frame tells no velocity, so that all of {options.model}'s latent "
            f"space is the position: give --position-size {options.state_size}"
        )


def _check_flat(options: TrainOptions) -> None:
    """Refuse a weight that is none, and models whose decoder is not asked about positions of single frames.

    Raises:
        UserError: it names the flag, the value and the cure.
    """
    if options.flat_without is not None and not (
        options.flat or (options.flat is None and entry_of(options.model).flat)
    ):
        raise UserError(
            f"--flat-without {options.flat_without}: there is no penalty to leave a part out of; give --flat WEIGHT"
        )
    if options.flat is None:
        return
    if not 0 <= options.flat <= LARGEST_FLAT:
        raise UserError(f"--flat {options.flat:g}: give a weight from 0 to {LARGEST_FLAT:g}")
    able = [name for name, entry in {**MODELS, **STATICS}.items() if has_flat(entry.model)]
    if options.model not in able:
        raise UserError(f"--flat {options.flat:g}: {options.model} has no such option; it is one of {', '.join(able)}")


def has_flat(model: type[GenerativeModel]) -> bool:
    """Whether positions are read off frames and frames drawn from them alone, so that the latter's metric is one."""
    return issubclass(model, FrameEncoder) and issubclass(model, FrameDecoder)


def choose_device(name: str) -> torch.device:
    """The device that a ``--device`` option names; ``auto`` takes a GPU where there is one.

    Raises:
        UserError: an unknown device, or CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: give auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: nothing here was tried on {device.type}; give auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: PyTorch sees no CUDA device here; give cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} CUDA device(s), counted from 0")
    return device


def options_from_json(stored: dict[str, Any]) -> TrainOptions:
    """The inverse of :func:`latentrl.support.options.options_to_json`."""
    run = stored["run"]
    # Runs from before there was a choice of networks, or of backends, do not name one.
    stored = {"network": "dense", "backend": "reference", **stored}
    return TrainOptions(**{**stored, "data": Path(stored["data"]), "run": None if run is None else Path(run)})
