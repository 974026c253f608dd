"""The decoder of a model that began on a chart, alone, once all else is trained; then sigma.

Once positions no longer change, the decoder is fitted to single frames from all over the data, which is faster than
frames of whole sequences and more varied. The posterior stays as it is, so this is the bound's ascent in the decoder's
parameters and sigma alone. A departure from the source.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from latentrl.live.bars import Shown
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameDecoder
from latentrl.numerics.pieces import frames_at
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.support.errors import UserError
from latentrl.support.interrupts import deferred_interrupt
from latentrl.training.adam import FusedAdam
from latentrl.training.deviation import fit_deviation, sampled_positions
from latentrl.training.fitting import LEARNING_RATE, Fitting
from latentrl.training.optimiser_state import load_optimiser, optimiser_tensors
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation
from latentrl.training.stages.base import Stage
from latentrl.training.training import Training
from latentrl.types import Sequences

CURE = "remove it to fit the decoder from the start"
FRAMES = 100
"""Frames in a step."""
SAVED_EVERY = 1000
"""Steps."""
DECODER = "decoder.safetensors"
"""The unfinished fit in the run folder, until the training is finished."""


class DecoderAlone(Stage):
    """The decoder is fitted to single frames from all over the data, then sigma to the error that is left."""

    needs: ClassVar[tuple[type, ...]] = (FrameDecoder,)
    leaves: ClassVar[tuple[str, ...]] = (DECODER,)
    continues = True

    def why(self, situation: Situation, settings: TrainSettings) -> str | None:
        if not settings.decoder_steps:
            return None
        return f"{settings.decoder_steps} steps on single frames, then sigma: positions no longer move"

    def run(self, training: Training) -> None:
        steps, so_far = training.settings.decoder_steps, training.folder / DECODER
        training.trainer.seconds += fit_decoder(
            training.model, training.data, steps, training.seed, training.progress, so_far
        )


def fit_decoder(
    model: WorldModel, data: Sequences, steps: int, seed: int = 0, progress: Shown = True, so_far: Path | None = None
) -> float:
    """Fit the decoder of ``model`` to the smoothed positions, then sigma to the error that is left, in place.

    On Ctrl-C ``so_far`` is written and the interrupt goes on.

    Args:
        model: trained.
        data: the training sequences.
        steps: of ``FRAMES`` frames each; none leave the decoder as it is.
        seed: of the frames drawn.
        progress: show a progress bar.
        so_far: the file to go on from, if it is there, and to write now and then.

    Returns:
        How long it took in all, in seconds.

    Raises:
        UserError: ``so_far`` is damaged, or of another model.
    """
    assert isinstance(model, FrameDecoder)
    smoothed, observations = sampled_positions(model, data)
    fit = _Fit(model, seed)
    if so_far is not None and so_far.is_file():
        fit.load(so_far)
    fitting = Fitting(fit.optimiser, steps, "decoder", progress, fit.step)
    whole = True
    with deferred_interrupt() as stop_if_asked:
        try:
            for _ in fitting:
                stop_if_asked()
                whole = False
                error = fit.advance(smoothed, observations)
                whole = True
                fitting.tell(error)
                if so_far is not None and fit.step % SAVED_EVERY == 0:
                    fit.save(so_far)
        except KeyboardInterrupt:
            if so_far is not None and whole:
                fit.save(so_far)
            raise
    fit_deviation(model, smoothed, observations)
    return fit.seconds


class _Fit:
    """The decoder's fit at one moment."""

    def __init__(self, model: WorldModel, seed: int) -> None:
        assert isinstance(model, FrameDecoder)
        self.model, self.step, self.seconds = model, 0, 0.0
        decoder = model.parameter_groups()["decoder"]
        chosen = {id(parameter) for parameter in decoder}
        self._decoder = {name: values for name, values in model.named_parameters() if id(values) in chosen}
        self.optimiser = FusedAdam(decoder, LEARNING_RATE)
        self._generator = torch.Generator().manual_seed(seed)

    def advance(self, smoothed: Tensor, observations: Tensor) -> float:
        """One step on random frames; returns their error."""
        began = time.perf_counter()
        index = torch.randint(smoothed.shape[:2].numel(), (FRAMES,), generator=self._generator)
        positions, seen = (frames_at(values, index).to(smoothed.device) for values in (smoothed, observations))
        self.optimiser.zero_grad()
        error = self.model.squared_error(positions, seen).mean()
        error.backward()
        self.optimiser.step()
        self.step += 1
        self.seconds += time.perf_counter() - began
        return float(error.detach())

    def save(self, path: Path) -> None:
        tensors = {**self._decoder, **optimiser_tensors(self.optimiser), "generator": self._generator.get_state()}
        write_tensors(path, tensors, {"fit": json.dumps({"step": self.step, "seconds": self.seconds})})

    def load(self, path: Path) -> None:
        tensors, metadata = read_tensors(path, CURE)
        try:
            with torch.no_grad():
                for name, values in self._decoder.items():
                    values.copy_(tensors[name])
            load_optimiser(self.optimiser, tensors)
            self._generator.set_state(tensors["generator"])
            numbers = json.loads(metadata["fit"])
            self.step, self.seconds = numbers["step"], numbers["seconds"]
        except (RuntimeError, KeyError, ValueError) as error:
            raise UserError(f"{path} does not fit the model beside it ({error}): {CURE}") from error
