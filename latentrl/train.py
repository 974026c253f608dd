"""Fit a latent state-space model to recorded sequences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import tyro

from latentrl.data_collection.checks import check_bounds, check_split
from latentrl.data_collection.storage import METADATA, load_metadata, load_sequences
from latentrl.metrics.held_out import check_held_out, doubts, evaluate_model
from latentrl.runs.folder import CHECKPOINT, MODEL, THREADS, is_finished, load_settings
from latentrl.runs.opening import check_folder, make_folder
from latentrl.runs.tensors import write_tensors
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.files import write_json
from latentrl.support.steps import Steps
from latentrl.support.threads import few_threads
from latentrl.training.building import build_training
from latentrl.training.explaining import explained, notes
from latentrl.training.kept_target import load_target
from latentrl.training.memory import CheckpointMemory, finished_stages
from latentrl.training.options import TrainOptions, check_options, choose_device
from latentrl.training.recipes import Recipe, choose
from latentrl.training.resuming import begun, next_command, write_settings
from latentrl.training.situation import Situation, measure
from latentrl.training.sizes import with_sizes
from latentrl.training.stages import STAGES, STARTS
from latentrl.training.threads import training_threads
from latentrl.training.trainer import DivergedError
from latentrl.training.training import Training


def train(options: TrainOptions) -> Path:
    """Make or continue a run; returns its folder.

    Raises:
        UserError: bad options, a folder that exists (or does not, for ``resume``), data that does not fit.
        SystemExit: on Ctrl-C, with the code 130; what is finished is kept.
    """
    options, settings = begun(options)
    if options.resume and is_finished(options.folder):
        print(f"{options.folder} is finished already\n{next_command(options)}")
        return options.folder
    check_options(options)
    if not (options.resume or options.explain):
        check_folder(options.folder, options.overwrite)
    data = load_sequences(options.data, "train", choose_device(options.device))
    started = options.resume and (options.folder / CHECKPOINT).is_file()
    check_held_out(options.data)
    metadata = load_metadata(options.data)
    check_split(data, f"{options.data}: train", *check_bounds(metadata, str(options.data / METADATA)))
    options = with_sizes(options, data)
    situation = measure(options, data, read_charts=not started)
    recipe = choose(situation, settings)
    if options.explain:
        print(explained(situation, recipe, finished_stages(options.folder, STARTS) if started else ()))
        return options.folder
    print("".join(f"{note}\n" for note in notes(situation, recipe)), end="")
    with few_threads() as most:
        training = build_training(situation, recipe, options.folder)
        before = load_settings(options.folder).get(THREADS) if options.resume else None
        torch.set_num_threads(training_threads(training.trainer, most, before))
        if not options.resume:
            make_folder(options.folder)
        write_settings(situation, recipe, training)
        run_stages(recipe, training)
        try:
            _write(situation, training)
        except KeyboardInterrupt:
            _say_interrupted(options.folder, "while the model was measured on held-out sequences; it is trained")
            raise SystemExit(130) from None
    return options.folder


def run_stages(recipe: Recipe, training: Training) -> None:
    """Run what is left of a recipe's stages; after each, the checkpoint holds all that is finished.

    Raises:
        UserError: a training that diverges; what an interrupted run has left is damaged.
        SystemExit: on Ctrl-C, with the code 130.
    """
    load_target(training)
    steps = Steps(CheckpointMemory(training, STARTS, STAGES))
    for name in recipe.stages:
        try:
            steps.run(name, partial(STAGES[name].run, training))
        except KeyboardInterrupt:
            how = "goes on from its last step" if STAGES[name].continues else "begins again"
            _say_interrupted(training.folder, f"in the stage '{name}', which {how}; what came before it is kept")
            raise SystemExit(130) from None
        except DivergedError as error:
            raise UserError(f"{training.folder}: {error}") from error


def _say_interrupted(folder: Path, when: str) -> None:
    print(f"\n{folder}: interrupted {when}\nnext: {command('train', '--run', folder, '--resume')}")


def _write(situation: Situation, training: Training) -> None:
    """Write the model and its figures on the held-out split; remove what only an unfinished training needs."""
    options, folder = situation.options, training.folder
    write_tensors(folder / MODEL, training.model.state_dict())
    figures = evaluate_model(training.model, options.data, seed=options.seed)
    write_json(folder / "metrics.json", {**figures, "train_seconds": training.trainer.seconds})
    width = max(map(len, figures))
    print(f"{folder}: trained in {training.trainer.seconds:.0f} s; on held-out sequences:")
    for name, value in figures.items():
        print(f"  {name:<{width}}  {value:.4g}")
    print("".join(f"warning: {doubt}\n" for doubt in doubts(figures)), end="")
    for passing in (CHECKPOINT, *(left for stage in STAGES.values() for left in stage.leaves)):
        (folder / passing).unlink(missing_ok=True)
    print(next_command(options))


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl train``."""
    with reported():
        train(tyro.cli(TrainOptions, args=argv, prog="latentrl train"))


if __name__ == "__main__":
    main()
