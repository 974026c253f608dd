"""Fit a latent state-space model to recorded sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor

from latentrl.data_collection.storage import load_metadata, load_sequences
from latentrl.geometry.charts import Charted, needs_chart
from latentrl.geometry.neighbour_graph import NoChartError
from latentrl.metrics.held_out import evaluate_model
from latentrl.models import MODELS, build
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE
from latentrl.models.over_data import smooth, spread_sample
from latentrl.models.spec import DataSpec
from latentrl.networks import NETWORKS, NetworkName, suggested_network
from latentrl.networks.standardisation import data_deviation
from latentrl.objectives import OBJECTIVES
from latentrl.objectives.base import ObjectiveSettings
from latentrl.runs.folder import CHECKPOINT, MODEL, SETTINGS, load_settings, model_settings
from latentrl.runs.opening import check_folder, make_folder
from latentrl.runs.tensors import write_tensors
from latentrl.runs.velocity_range import save_range, velocity_range
from latentrl.runs.versions import describe_environment
from latentrl.support.errors import UserError, reported
from latentrl.support.files import write_json
from latentrl.support.options import options_to_json
from latentrl.support.threads import threads_for
from latentrl.training.loop import best_start, fit
from latentrl.training.options import TrainOptions, check_options, choose_device, options_from_json
from latentrl.training.settings import TrainSettings
from latentrl.training.stages.finish import DECODER, finish_trainer
from latentrl.training.stages.gauge import fix_velocity_gauge, orient_velocity
from latentrl.training.stages.straighten import (
    CHART,
    has_chart,
    keep_on_chart,
    read_chart,
    start_trainer,
    straighten_again,
)
from latentrl.training.stages.transition_em import fit_transition_by_em
from latentrl.training.trainer import DivergedError, Trainer, alignment_target
from latentrl.types import Sequences, is_image, is_image_shape

FEW_PIXELS = 256
SENSORS_GATE = (64, 64)
"""Hidden layers of the alpha network for sensors: Table A.2's for the reacher."""
DRAWN_FRAMES = 6
"""Of a sequence of large pictures, that a step of the training on a processor draws."""


def train(options: TrainOptions) -> Path:
    """Make or continue a run; returns its folder.

    Raises:
        UserError: bad options, a folder that exists (or does not, for ``resume``), data that does not fit.
    """
    folder = options.folder
    if options.resume:
        stored = options_from_json(load_settings(folder)["options"])
        if (folder / MODEL).is_file() and not (folder / CHECKPOINT).is_file():
            print(f"{folder} is finished already\nnext: {_next_command(stored, folder)}")
            return folder
        options = replace(stored, run=folder, device=options.device, progress=options.progress, resume=True)
    check_options(options)
    if not options.resume:
        check_folder(folder, options.overwrite)
    data = load_sequences(options.data, "train", choose_device(options.device))
    # Stored with the run: another device may continue it.
    options = replace(options, network=_network(options, data))
    # A model in a checkpoint has started already, on a chart or not.
    started = options.resume and (folder / CHECKPOINT).is_file()
    charted = None if started else _chart(options, data)
    on_chart = charted is not None or (started and has_chart(folder))
    settings = _schedule(options, data, on_chart)
    make = partial(_trainer, options, settings, data, alignment_target(data, settings, options.position_size))
    if not options.resume:
        make_folder(folder)
        write_json(
            folder / SETTINGS,
            {
                "model": model_settings(options.model, make(0).model),
                "options": options_to_json(options),
                "training": asdict(settings),
                "data": load_metadata(options.data),
                "environment": describe_environment(),
            },
        )
    try:
        with threads_for(data.observations.shape[2:]):
            trainer = make(0)
            # A checkpoint brings the weights of the start that was chosen.
            if not (folder / CHECKPOINT).is_file():
                trainer = best_start(make, settings, options.progress)
                if charted is not None:
                    start_trainer(trainer, charted, folder, options.seed, options.kappa is None, options.progress)
            if on_chart:
                keep_on_chart(trainer, folder)
                halfway = math.floor(settings.straighten_at * settings.steps)
                fit(trainer, folder, options.progress, until=halfway)
                if trainer.step == halfway:
                    straighten_again(trainer, folder)
            fit(trainer, folder, options.progress)
            if on_chart:
                finish_trainer(trainer, folder, options.seed, options.progress)
            elif isinstance(trainer.model, EKVAE):
                trainer.seconds += fit_transition_by_em(
                    trainer.model, data, settings.em_steps, settings.matrix_spread, options.seed, options.progress
                )
    except KeyboardInterrupt:
        if (folder / CHECKPOINT).is_file():
            print(f"\ninterrupted at step {trainer.step}; everything is in {folder}")
        else:
            print(f"\ninterrupted before a start was chosen: {folder} will begin with the starts again")
        print(f"next: python -m latentrl.train --run {folder} --resume")
        raise SystemExit(130) from None
    except DivergedError as error:
        raise UserError(f"{folder}: {error}") from error
    _finish(trainer.model, data, options, folder, trainer.seconds)
    return folder


def _chart(options: TrainOptions, data: Sequences) -> Charted | None:
    """Where the model is to start, if blurred pictures do not tell all of its position; see `latentrl.geometry.charts`."""
    known = options.recipe == "latentrl" and options.model == "ekvae" and is_image(data.observations)
    fewer = options.position_size < options.state_size < 2 * options.position_size
    if not (known and fewer and needs_chart(data.observations, options.position_size)):
        return None
    if options.progress:
        print("reading a chart off the pictures", flush=True)
    try:
        return read_chart(data, options.position_size)
    except NoChartError as error:
        print(f"{options.data}: {error}; the model starts anywhere")
        return None


def _schedule(options: TrainOptions, data: Sequences, on_chart: bool) -> TrainSettings:
    """The recipe's schedule with what the data and the options change."""
    plain = options.recipe == "source"
    settings = TrainSettings.source() if plain else TrainSettings()
    settings = replace(settings, steps=options.steps or settings.steps)
    if on_chart:
        settings = settings.on_chart()
    elif not (plain or is_image(data.observations)):
        settings = settings.for_sensors(options.model == "ekvae")
    blur = settings.blur if options.blur is None else replace(settings.blur, width=options.blur)
    return replace(
        settings,
        batch=options.batch or settings.batch,
        blur=blur,
    )


def _trainer(
    options: TrainOptions, settings: TrainSettings, data: Sequences, components: Tensor | None, start: int
) -> Trainer:
    """The trainer of one start; its weights and random numbers depend on ``options.seed`` and ``start`` alone."""
    seed = options.seed + 1_000_003 * start
    plain = options.recipe == "source"
    # Twice the data's own deviation: large enough that the rate shapes the latent space before the details count.
    details = _model_settings(options, data, 1.0 if plain else _initial_sigma(settings, data))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(options.model, DataSpec.of(data), details)
    if isinstance(model, EKVAE) and model.standard is not None:
        model.standard.fit(data.observations.flatten(0, 1))
    weighing = ObjectiveSettings(_kappa(options, data) ** 2, options.annealing_steps or settings.steps // 2)
    objective = OBJECTIVES[options.objective](weighing)
    return Trainer(model.to(choose_device(options.device)), objective, data, settings, seed, components)


def _initial_sigma(settings: TrainSettings, data: Sequences) -> float:
    """Twice the deviation; on a chart so much more that a picture counts for no more than a small one's 256 pixels."""
    many = data.observations[0, 0].numel() / FEW_PIXELS if settings.warm_start else 1.0
    return 2 * data_deviation(data) * max(1.0, many) ** 0.5


def _kappa(options: TrainOptions, data: Sequences) -> float:
    """The bound that was given, or the default: the same share of any data as the source's 0.03 is of a pendulum's."""
    return data_deviation(data) / 6 if options.kappa is None else options.kappa


def _network(options: TrainOptions, data: Sequences) -> NetworkName:
    """The network that was asked for, or the one that suits the data."""
    shape = tuple(data.observations.shape[2:])
    chooses = "network" in asdict(MODELS[options.model].settings())
    if options.network == "auto":
        return suggested_network(data.observations, choose_device(options.device)) if chooses else "dense"
    if options.network != "dense" and not chooses:
        raise UserError(f"--network {options.network}: of the models only ekvae and kvae have it; give dense or auto")
    if options.network != "dense" and not is_image_shape(shape):
        raise UserError(f"--network {options.network}: {options.data} holds no images but {shape}; give dense or auto")
    return options.network


def _model_settings(options: TrainOptions, data: Sequences, initial_sigma: float) -> dict[str, Any]:
    """The model's settings: its defaults, and of the options those that it knows."""
    make = MODELS[options.model].settings
    version = options.version or ("smoother" if options.recipe == "source" else "joint")
    wanted: dict[str, Any] = {
        "state_size": options.state_size,
        "position_size": options.position_size,
        "prior": options.prior,
        "initial_sigma": initial_sigma,
        "standardise": options.standardise,
        "drawn_frames": DRAWN_FRAMES if options.network == "lean" else 0,
        **({"version": version} if options.model == "ekvae" else {}),
    }
    if not is_image(data.observations):
        wanted["gate_hidden"] = SENSORS_GATE
    if options.network != "auto":
        wanted |= {"network": options.network, "hidden": NETWORKS[options.network].hidden}
    known = asdict(make())
    return {**known, **{key: value for key, value in wanted.items() if key in known}}


def _finish(model: WorldModel, data: Sequences, options: TrainOptions, folder: Path, seconds: float) -> None:
    """Fix the gauge, write the model, measure it on the held-out split."""
    free = options.prior == "vhp" and options.position_size < options.state_size
    if isinstance(model, EKVAE) and model.position_size < model.state_size:
        sample = spread_sample(data)
        if options.recipe == "latentrl" and free:
            fix_velocity_gauge(model, sample)
        orient_velocity(model, sample)
        _save_velocity_range(model, sample, folder)
    write_tensors(folder / MODEL, model.state_dict())
    figures = evaluate_model(model, options.data, seed=options.seed)
    write_json(folder / "metrics.json", {**figures, "train_seconds": seconds})
    width = max(map(len, figures))
    print(f"{folder}: trained in {seconds:.0f} s; on held-out sequences:")
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:.4g}")
    for passing in (CHECKPOINT, CHART, DECODER):
        (folder / passing).unlink(missing_ok=True)
    print(f"next: {_next_command(options, folder)}")


def _save_velocity_range(model: WorldModel, data: Sequences, folder: Path) -> None:
    states = smooth(model, data).mean
    try:
        save_range(velocity_range(states, model.position_size), folder)
    except ValueError as error:
        print(f"{folder}: no goals of the form velocity:FRACTION for this run: {error}")


def _next_command(options: TrainOptions, folder: Path) -> str:
    goal = next(iter(sorted(options.data.glob("goal.*"))), options.data / "goal.png")
    return f"python -m latentrl.learn --run {folder} --goal {goal}"


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl train``."""
    with reported():
        train(tyro.cli(TrainOptions, args=argv, prog="latentrl train"))


if __name__ == "__main__":
    main()
