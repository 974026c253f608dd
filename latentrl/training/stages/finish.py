"""The end of a training whose model began on a chart: one part of it after the other, while the others stay."""

from __future__ import annotations

from pathlib import Path

from latentrl.models.ekvae import EKVAE
from latentrl.training.stages.decoder import fit_decoder
from latentrl.training.stages.prior import fit_prior
from latentrl.training.stages.transition import fit_transition
from latentrl.training.trainer import Trainer

DECODER = "decoder.safetensors"
"""What is done of the longest part, in the run folder, until all is finished."""
ALIGNED = 0.1
"""How much of the velocities' alignment is kept for the transition alone: more costs predictions."""


def finish_trainer(trainer: Trainer, folder: Path, seed: int, progress: bool) -> None:
    """Finish a trainer's model, an EKVAE: decoder, transition, prior.

    Args:
        trainer: whose settings count the steps of each.
        folder: the run's.
        seed: of everything drawn.
        progress: show progress bars.

    Raises:
        UserError: what an interrupted finish has left is damaged.
    """
    model, data, settings = trainer.model, trainer.data, trainer.settings
    assert isinstance(model, EKVAE)
    seconds = [
        fit_decoder(model, data, settings.decoder_steps, seed, progress, folder / DECODER),
        fit_transition(
            model,
            data,
            settings.transition_steps,
            trainer.velocity_unexplained,
            ALIGNED * settings.velocity_alignment,
            seed,
            progress,
        ),
        fit_prior(model, data, settings.prior_steps, seed, progress),
    ]
    trainer.seconds += sum(seconds)
