"""What the data, the model and the options say, measured once: what a recipe is chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from latentrl.geometry.charts import Charted, chart, needs_chart
from latentrl.geometry.coordinates import slower_coordinates, telling_coordinates
from latentrl.geometry.neighbour_graph import NoChartError
from latentrl.inference.backends import AUTO, PLAIN, choose
from latentrl.models import MODELS, STATICS, entry_of
from latentrl.models.capabilities import (
    CAPABILITIES,
    FrameDecoder,
    FrameEncoder,
    LatentRate,
    LocallyLinear,
    RunsBackend,
)
from latentrl.models.entry import ModelEntry
from latentrl.networks import NetworkName, suggested_network
from latentrl.networks.standardisation import data_deviation, own_units, suggested_standardisation
from latentrl.priors import PRIORS
from latentrl.runs.folder import load_settings
from latentrl.support.errors import UserError
from latentrl.training.options import TrainOptions, choose_device
from latentrl.types import Sequences, is_image, is_image_shape

CHARTED_FRAMES = 100_000
"""Frames that a chart is read off, in whole sequences: each is compared with all landmarks."""
FAR_BETTER = 0.25
"""Of what a chart leaves untold of the pictures: where slow functions leave less, the chart is wrong. What is merely
less exact, as of few pictures, is still straighter."""
STARTS_ON_CHART = (FrameEncoder, FrameDecoder, LocallyLinear, LatentRate)
"""What a model needs for a start on a chart and what follows it."""


@dataclass(frozen=True)
class Situation:
    """What there is to choose a recipe by.

    Attributes:
        options: as given, with the network and the backend that were chosen and whether observations are standardised.
        data: the training sequences.
        entry: the model's.
        capabilities: of the model, among `CAPABILITIES`.
        device: where the training runs.
        images: whether observations are images.
        deviation: root mean variance of an observation's dimensions (images in [0, 1]).
        kappa: bound of the constraint, root mean squared error per observation dimension.
        charted: the chart that the model is to start on, if blurred pictures do not tell all of its position.
        no_chart: why there is none, though there should be.
        searched: whether coordinates that tell more than the leading ones were looked for, and there are none; or, of a
            training that goes on, that it began on them.
        each_reading: whether every reading counts by its own deviation, where they are standardised.
        standardised: why observations are standardised, or not; None where that was given, or the model knows no such
            thing.
    """

    options: TrainOptions
    data: Sequences
    entry: ModelEntry
    capabilities: frozenset[type]
    device: torch.device
    images: bool
    deviation: float
    kappa: float
    charted: Charted | None = None
    no_chart: str | None = None
    searched: bool = False
    standardised: str | None = None
    each_reading: bool = False

    @property
    def plain(self) -> bool:
        """Whether the source's plain recipe is asked for."""
        return self.options.recipe == "source"

    @property
    def static(self) -> bool:
        """Whether the model knows no time: its data are frames, each a sequence of one."""
        return self.options.model in STATICS

    @property
    def splits(self) -> bool:
        """Whether the state is to have dimensions for the velocity."""
        return self.options.position_size < self.options.state_size and not (self.plain and self.entry.whole)

    @property
    def fixes_gauge(self) -> bool:
        """Whether the velocity's coordinates may be changed: a prior may be tied to its own."""
        return self.splits and not self.plain and not PRIORS[self.options.prior].tied

    def lacks(self, needs: tuple[type, ...]) -> list[str]:
        """The capabilities among ``needs`` that the model does not have, in words."""
        return [CAPABILITIES.get(need, need.__name__) for need in needs if need not in self.capabilities]


def measure(options: TrainOptions, data: Sequences, read_charts: bool = True) -> Situation:
    """The situation of a training.

    Args:
        options: checked.
        data: the training sequences.
        read_charts: read a chart off pictures that need one, which takes up to a minute; else only whether they do
            not is known. A training that has started needs none.

    Raises:
        UserError: a network that does not suit the model or the data, a backend that is not to be had.
    """
    entry = entry_of(options.model)
    device = choose_device(options.device)
    deviation = data_deviation(data)
    situation = Situation(
        options=options,
        data=data,
        entry=entry,
        capabilities=frozenset(one for one in CAPABILITIES if issubclass(entry.model, one)),
        device=device,
        images=is_image(data.observations),
        deviation=deviation,
        kappa=deviation / 6 if options.kappa is None else options.kappa,
    )
    chosen = replace(options, network=_network(situation), backend=_backend(situation))
    situation = _each_reading(_standardised(replace(situation, options=chosen)))
    return _with_chart(situation) if read_charts else replace(situation, searched=_is_searched(situation))


def _network(situation: Situation) -> NetworkName:
    """The network that was asked for, or the one that suits the data."""
    options, data = situation.options, situation.data
    shape = tuple(data.observations.shape[2:])
    chooses = situation.entry.has_setting("network")
    if options.network == "auto":
        return suggested_network(data.observations, situation.device) if chooses else "dense"
    if options.network != "dense" and not chooses:
        having = " and ".join(name for name, entry in MODELS.items() if entry.has_setting("network"))
        raise UserError(f"--network {options.network}: of the models only {having} have it; give dense or auto")
    if options.network != "dense" and not is_image_shape(shape):
        raise UserError(f"--network {options.network}: {options.data} holds no images but {shape}; give dense or auto")
    return options.network


def _backend(situation: Situation) -> str:
    """The backend that was asked for, or the fastest one; a run goes on with its own, wherever it goes on."""
    options = situation.options
    able = RunsBackend in situation.capabilities
    if options.backend != AUTO and options.backend != PLAIN and not able:
        *having, last = (name for name, entry in MODELS.items() if issubclass(entry.model, RunsBackend))
        raise UserError(
            f"--backend {options.backend}: of the models only {', '.join(having)} and {last} have it; give {AUTO} or "
            f"{PLAIN}"
        )
    if not able:
        return PLAIN
    device = "cpu" if options.resume else situation.device.type
    return choose(options.backend, device, options.state_size)


def _standardised(situation: Situation) -> Situation:
    """Whether observations are standardised, as given or as the data suggest."""
    options = situation.options
    if options.standardise is not None:
        return situation
    if situation.plain or not situation.entry.has_setting("standardise"):
        return replace(situation, options=replace(options, standardise=False))
    wanted, why = suggested_standardisation(situation.data)
    return replace(situation, options=replace(options, standardise=wanted), standardised=why)


def _each_reading(situation: Situation) -> Situation:
    """Whether every reading counts by its own deviation; a run goes on as it was begun."""
    options = situation.options
    if not options.standardise or not situation.entry.has_setting("each_reading") or situation.plain:
        return situation
    if options.resume:
        begun = load_settings(options.folder)["model"]["settings"].get("each_reading", False)
        return replace(situation, each_reading=bool(begun))
    return replace(situation, each_reading=own_units(situation.data) is not None)


def _is_searched(situation: Situation) -> bool:
    """Whether a training looks, before its first step, for what to start on."""
    able = not situation.plain and situation.images and not situation.lacks(STARTS_ON_CHART)
    return able and situation.splits


def _with_chart(situation: Situation) -> Situation:
    """What a model is to start on, where the leading coordinates of its pictures do not tell all of its position."""
    options, data, count = situation.options, situation.data, situation.options.position_size
    if not _is_searched(situation):
        return situation
    if options.progress:
        print("reading coordinates off the pictures", flush=True)
    try:
        # Where every position has a velocity, the model may bend its own coordinates: none need to be straight.
        if options.state_size < 2 * count and needs_chart(data.observations, count):
            return replace(situation, charted=read_chart(data, count))
    except NoChartError as error:
        situation = replace(situation, no_chart=f"{options.data}: {error}")
    telling = telling_coordinates(data.observations, count)
    if telling is None:
        return replace(situation, searched=True)
    return replace(situation, charted=Charted(data, telling, straight=False))


def read_chart(data: Sequences, count: int) -> Charted:
    """A chart of ``count`` coordinates, of ``data`` or as much of it as will do.

    Raises:
        NoChartError: see :func:`latentrl.geometry.charts.chart`; or places that slow coordinates tell more than.
    """
    some = data[:: math.ceil(data.observations.shape[:2].numel() / CHARTED_FRAMES)]
    places = chart(some.observations, count)
    if slower_coordinates(some.observations, places, FAR_BETTER) is not None:
        raise NoChartError("places on a chart tell less of the pictures than slow functions do")
    return Charted(some, places)
