"""What is left to do for a model that began on a chart, once all else is trained: its decoder alone, then sigma.

While everything is trained together, a decoder draws a few frames of few sequences per step, from positions that still
move. Once they stay, there is no better use of a second than to draw single frames from all over the data: a step takes
a fraction of the time, and no two of its frames are alike. The posterior stays as it is, so this is the bound's ascent
in the decoder's parameters and sigma alone. A departure from the source.
"""

from __future__ import annotations

import time

import torch

from latentrl.frame_fitting import LEARNING_RATE, FrameFitting
from latentrl.models.ekvae import EKVAE
from latentrl.pieces import frames_at, spread_frames
from latentrl.smoothing import smooth, spread_sample
from latentrl.types import Sequences

FRAMES = 100
"""In a step."""
SEQUENCES = 10_000
"""At least, that the frames are from, where there are so many."""
SAMPLE = 10_000
"""Frames that tell sigma."""


def finish_decoder(model: EKVAE, data: Sequences, steps: int, seed: int = 0, progress: bool = True) -> float:
    """Fit the decoder of ``model`` to the smoothed positions, then sigma to the error that is left, in place.

    Args:
        model: trained.
        data: the training sequences.
        steps: of ``FRAMES`` frames each; none leave the decoder as it is.
        seed: of the frames drawn.
        progress: show a progress bar.

    Returns:
        How long it took, in seconds.
    """
    began = time.perf_counter()
    device = next(model.parameters()).device
    sample = spread_sample(data, SEQUENCES)
    smoothed = smooth(model, sample).mean[..., : model.position_size].float()
    positions = smoothed.flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.decoder.parameters(), lr=LEARNING_RATE, fused=True)
    fitting = FrameFitting(optimiser, steps, "decoder", progress)
    for _ in fitting:
        index = torch.randint(len(positions), (FRAMES,), generator=generator)
        seen = frames_at(sample.observations, index).to(device)
        optimiser.zero_grad()
        error = model.squared_error(positions[index.to(device)], seen).mean()
        error.backward()
        optimiser.step()
        fitting.tell(float(error.detach()))
    with torch.no_grad():
        spread = (spread_frames(values, SAMPLE).to(device) for values in (smoothed, sample.observations))
        error = model.squared_error(*spread).mean()
        model.log_sigma.copy_(0.5 * error.log())
    return time.perf_counter() - began
