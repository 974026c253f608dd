"""How many threads the operations of a model are given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from latentrl.types import is_image_shape

CHOSEN_BY = "OMP_NUM_THREADS"


@contextmanager
def threads_for(observation_shape: Sequence[int]) -> Iterator[None]:
    """One thread, for a while, where observations are no images and ``OMP_NUM_THREADS`` says nothing else.

    The operations of such a model are many and tiny: a second thread gains little on an idle machine, and beside
    another process the two wait for each other (docs/benchmarks.md).

    Args:
        observation_shape: of a single observation.
    """
    before = torch.get_num_threads()
    if not is_image_shape(observation_shape) and CHOSEN_BY not in os.environ:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
