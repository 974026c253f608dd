"""`--state-size auto`: sizes that nobody gave, estimated from the training sequences without a label."""

from __future__ import annotations

from dataclasses import replace

from latentrl.inspection.summary import check_enough, suggested_sizes
from latentrl.models import STATICS
from latentrl.support.printing import say
from latentrl.training.options import AUTO, TrainOptions, check_options
from latentrl.types import Sequences


def with_sizes(options: TrainOptions, data: Sequences) -> TrainOptions:
    """``options`` with the estimated sizes in the place of `AUTO`, said on the terminal; others stay as given.

    A state has the position's size, given or estimated, and the estimated number of velocities.

    Raises:
        UserError: too little data to estimate from, or sizes that do not fit those given.
    """
    if options.model in STATICS:
        return _position_alone(options, data)
    if AUTO not in (options.state_size, options.position_size):
        return options
    check_enough(data, f"{options.data}: --state-size auto")
    found = suggested_sizes(data)
    position = found.position_size if options.position_size == AUTO else options.position_size
    state = position + found.velocities_of(position) if options.state_size == AUTO else options.state_size
    chosen = replace(options, position_size=position, state_size=state)
    say(
        f"single frames lie on {found.dimension:.1f} dimensions, and move on in {found.velocities} ways that they do "
        f"not show: --position-size {position} --state-size {state}",
        flush=True,
    )
    check_options(chosen)
    return chosen


def _position_alone(options: TrainOptions, data: Sequences) -> TrainOptions:
    """The sizes of a static model, whose latent space is the position."""
    if options.position_size != AUTO:
        return replace(options, state_size=options.position_size)
    check_enough(data, f"{options.data}: --position-size auto")
    found = suggested_sizes(data)
    size = found.position_size
    say(f"single frames lie on {found.dimension:.1f} dimensions: --position-size {size}", flush=True)
    return replace(options, position_size=size, state_size=size)
