"""Fit a latent state-space model to recorded sequences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro

from latentrl.data_collection.checks import check_bounds, check_split
from latentrl.data_collection.storage import METADATA, load_metadata, load_sequences
from latentrl.inference.backends import NEEDS
from latentrl.live.terminal import can_show
from latentrl.live.training import TrainingView
from latentrl.metrics.failures import PIXEL, READING, SCALED_READING, failures
from latentrl.metrics.held_out import check_held_out, evaluate_model, flatness
from latentrl.metrics.static import evaluate_static
from latentrl.metrics.told import told as told_figures
from latentrl.models.base import WorldModel
from latentrl.runs.folder import CHECKPOINT, METRICS, MODEL, THREADS, is_finished, load_any_model, load_settings
from latentrl.runs.opening import opened
from latentrl.runs.tensors import write_tensors
from latentrl.runs.versions import changed, describe_environment
from latentrl.support.errors import FAILED, UserError, reported
from latentrl.support.files import write_json
from latentrl.support.printing import columns, fitted, say
from latentrl.support.steps import Steps
from latentrl.support.threads import few_threads
from latentrl.tracking import DEFAULT, Choice, choice_of, tracked
from latentrl.training.building import build_training
from latentrl.training.constraint import objective_failures, raised_bound
from latentrl.training.explaining import amount, explained, notes, too_few_steps
from latentrl.training.frames import data_of
from latentrl.training.joining import aside, joined
from latentrl.training.kept_target import load_target
from latentrl.training.memory import CheckpointMemory, finished_stages
from latentrl.training.options import TrainOptions, arguments_of, check_options, choose_device
from latentrl.training.processes import ALONE, Processes
from latentrl.training.recipes import Recipe, choose
from latentrl.training.rehearsal import rehearse
from latentrl.training.resuming import (
    DATA,
    Begun,
    begun,
    check_data,
    check_processes,
    check_test_data,
    go_on_command,
    keep_backend,
    keep_place,
    next_command,
    require_data,
    write_settings,
)
from latentrl.training.situation import Situation, measure
from latentrl.training.sizes import with_sizes
from latentrl.training.stages import STAGES, STARTS
from latentrl.training.threads import training_threads
from latentrl.training.trainer import DivergedError
from latentrl.training.training import Training

OWN_TO_A_PROCESS = ("data", "run", "device", "progress", "track", "resume", "overwrite")
"""Options that may differ between the processes of one training: where things are, and what is shown."""
TOLD = ("model", "options", "training", "environment", "threads", "processes")
"""Of a run's settings, what a tracker is told; how the data was recorded stays in the run folder."""

EXPLAINED = " " * 4
"""Before what an explanation goes on with in another line."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C; the message says where it met the training."""


def train(options: TrainOptions, processes: Processes = ALONE) -> Path:
    """Make or continue a run; returns its folder.

    Args:
        options: of the run.
        processes: that were started together and all call this; see :func:`latentrl.training.joining.joined`.

    Raises:
        UserError: bad options, a folder that exists (or does not, for ``resume``), data that does not fit.
        SystemExit: on Ctrl-C, with the code 130; what is finished is kept. With ``strict``, after a training that
            failed at something, with the code 3; all is written.
    """
    if processes.rank > 0:
        return _train_along(options, processes)
    run = begun(options)
    check_options(run.options)
    folder = run.options.folder
    if run.options.explain:
        return folder if _is_done(run) else _train(run, ALONE)
    with opened(folder, run.options.overwrite, run.options.resume):
        if _is_done(run):
            processes.any(True)
            return folder
        return _train(run, processes)


def _train_along(options: TrainOptions, processes: Processes) -> Path:
    """All that the first process does, but where nobody sees it: its gradients are what counts."""
    if not options.explain and not processes.any(False):
        with aside(options, processes) as own:
            run = begun(own)
            check_options(run.options)
            with opened(run.options.folder, resume=run.options.resume):
                _train(run, processes)
    return options.folder


def _is_done(run: Begun) -> bool:
    """Whether there is nothing to go on with; weights that are damaged are trained once more."""
    options = run.options
    if not options.resume or not is_finished(options.folder):
        return False
    try:
        load_any_model(options.folder)
    except UserError as error:
        print(f"{error}\n{options.folder}: trains it once more, with its own settings")
        return False
    if run.moved and not options.explain:
        # Later verbs look for it.
        check_data(options.folder, load_sequences(options.data, "train"), options.data)
        keep_place(options.folder, options.data)
    print(f"{options.folder} is finished already\n{next_command(options)}")
    return True


def _other_versions(stored: Mapping[str, Any]) -> list[str]:
    said = changed(stored.get("environment", {}), describe_environment())
    return [] if said is None else [f"note: {said}"]


def _train(run: Begun, processes: Processes) -> Path:
    options = run.options
    require_data(options)
    metadata = load_metadata(options.data)
    data = load_sequences(options.data, "train", choose_device(options.device), metadata)
    if options.resume and not options.explain:
        check_processes(options.folder, processes.count)
    if processes.rank == 0:
        # The others begin here: what is read from a disk once, and what is amiss with all, is the first one's.
        processes.any(False)
    started = options.resume and (options.folder / CHECKPOINT).is_file()
    check_held_out(options.data)
    check_split(data, f"{options.data}: train", *check_bounds(metadata, str(options.data / METADATA)))
    if options.resume:
        check_data(options.folder, data, options.data)
        check_test_data(options.folder, options.data)
    options = with_sizes(options, data)
    situation = measure(options, data_of(options, data), read_charts=not started)
    recipe = choose(situation, run.settings)
    if run.moved and not options.explain:
        keep_place(options.folder, options.data)
    if options.explain:
        for line in explained(situation, recipe, finished_stages(options.folder, STARTS) if started else ()):
            print(fitted(line.lstrip(), columns(), " " * (len(line) - len(line.lstrip())), EXPLAINED))
        return options.folder
    if options.resume:
        keep_backend(options.folder, situation.options.backend)
    stored = load_settings(options.folder) if options.resume else {}
    told = [amount(recipe.settings), *notes(situation, recipe), *(_other_versions(stored) if started else ())]
    for line in told:
        say(line, flush=True)
    view = TrainingView(f"{options.folder}, {options.model}", told[1:]) if can_show(options.live) else None
    with few_threads() as most:
        training = build_training(situation, recipe, options.folder, processes)
        torch.set_num_threads(training_threads(training.trainer, most, stored.get(THREADS)))
        write_settings(situation, recipe, training, data)
        _check_alike(recipe, training)
        if situation.options.backend in NEEDS:
            rehearse(training.trainer)
        try:
            with tracked(
                _beside(options), options.folder, _described(options.folder), resume=options.resume
            ) as tracker:
                training.trackers = () if tracker is None else (tracker,)
                training.progress = options.progress if view is None else view
                run_stages(recipe, training)
                if processes.rank > 0:
                    return options.folder
                try:
                    warnings = _write(situation, training)
                except KeyboardInterrupt:
                    when = "while the model was measured on held-out sequences; it is trained"
                    raise TrainingInterrupted(when) from None
        except TrainingInterrupted as stopped:
            # Behind the ^C that a terminal shows.
            print()
            say(f"{options.folder}: interrupted {stopped}")
            print(f"next: {go_on_command(options.folder, processes.count)}")
            raise SystemExit(130) from None
    # The last line: what is tracked is said when that is finished.
    print(next_command(options))
    if warnings and options.strict:
        raise SystemExit(FAILED)
    return options.folder


def _check_alike(recipe: Recipe, training: Training) -> None:
    """Refuse processes of which each would train something else; nobody begins before all have read what is there."""
    if training.trainer.processes.count > 1:
        kept = load_settings(training.folder)
        own = {name: value for name, value in kept["options"].items() if name not in OWN_TO_A_PROCESS}
        begun_with = [own, *(kept.get(name) for name in ("model", "training", DATA))]
        training.trainer.processes.check_same(json.dumps([*begun_with, *recipe.stages]))


def _beside(options: TrainOptions) -> Choice | None:
    """What the training is tracked by beside TensorBoard, whose log every run folder has."""
    choice = None if options.track is None else choice_of(options.track)
    return None if choice is None or choice.tracker == DEFAULT else choice


def _described(folder: Path) -> dict[str, Any]:
    """What a tracker is told of a run: how it was begun."""
    settings = load_settings(folder)
    return {name: settings[name] for name in TOLD if name in settings}


def run_stages(recipe: Recipe, training: Training) -> None:
    """Run what is left of a recipe's stages; after each, the checkpoint holds all that is finished.

    Raises:
        UserError: a training that diverges; what an interrupted run has left is damaged.
        TrainingInterrupted: on Ctrl-C.
    """
    load_target(training)
    steps = Steps(CheckpointMemory(training, STARTS, STAGES))
    view = training.progress if isinstance(training.progress, TrainingView) else None
    name = next(iter(recipe.stages))
    try:
        # The panel ends before anything is said of how the stages did.
        with view or nullcontext():
            for number, (name, why) in enumerate(recipe.stages.items(), start=1):
                if view is not None and name not in steps.finished:
                    view.stage(name, number, len(recipe.stages), why)
                    view.watch(training.trainer.history)
                steps.run(name, partial(STAGES[name].run, training))
    except KeyboardInterrupt:
        how = "goes on from its last step" if STAGES[name].continues else "begins again"
        raise TrainingInterrupted(f"in the stage '{name}', which {how}; what came before it is kept") from None
    except DivergedError as error:
        raise UserError(f"{training.folder}: {error}") from error


def _write(situation: Situation, training: Training) -> list[str]:
    """Write the model and its figures on the held-out split; remove what only an unfinished training needs.

    Returns:
        What the training failed at, in sentences that are printed and stand in ``metrics.json``.
    """
    options, folder = situation.options, training.folder
    model = training.trainer.model
    write_tensors(folder / MODEL, model.state_dict())
    # A training takes long, in which the data may have been recorded anew.
    check_test_data(folder, options.data)
    print("measuring on held-out data", flush=True)
    if isinstance(model, WorldModel):
        held_out = load_sequences(options.data, "test", next(model.parameters()).device)
        figures = evaluate_model(model, options.data, options.seed, held_out)
        if training.trainer.settings.flat > 0:
            figures |= flatness(model, held_out)
    else:
        figures = evaluate_static(model, options.data, seed=options.seed)
    untried = situation.entry.has_setting("standardise") and not options.standardise
    leaner = situation.images and situation.entry.has_setting("network") and options.network == "dense"
    told = failures(figures, untried, options.kappa, leaner)
    of_what = PIXEL if situation.images else SCALED_READING if situation.each_reading else READING
    unmet = objective_failures(training.trainer.objective, untried, situation.static, of_what)
    warnings = [*unmet, *told]
    write_json(folder / METRICS, {**figures, "train_seconds": training.trainer.seconds, "warnings": warnings})
    measured = "frames" if situation.static else "sequences"
    say(
        f"{folder}: trained in {training.trainer.seconds:.0f} s ({options.backend}); on held-out {measured} "
        f"({METRICS} has the figures by key):"
    )
    print("\n".join(told_figures(figures)))
    for tracker in training.trackers:
        tracker.log({f"held_out/{name}": value for name, value in figures.items()}, training.trainer.step + 1)
    for note in raised_bound(training.trainer.objective, situation.kappa):
        say(f"note: {note}")
    for warning in warnings:
        say(f"warning: {warning}")
    for cause in too_few_steps(situation, training.trainer.settings) if warnings else ():
        say(f"note: {cause}")
    # The checkpoint last: a run without it is finished, and nobody would remove the others.
    for passing in (*(left for stage in STAGES.values() for left in stage.leaves), CHECKPOINT):
        (folder / passing).unlink(missing_ok=True)
    return warnings


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl train``."""
    with reported():
        options = tyro.cli(TrainOptions, args=arguments_of(argv), prog="latentrl train")
        with joined(options.device) as processes:
            train(options, processes)


if __name__ == "__main__":
    main()
