"""A step that is recorded once and then replayed: between tensors that stay where they are, as a CUDA graph needs it.

A CUDA graph repeats kernels on the addresses that they were recorded with. What a step is given is therefore copied
into buffers, and what it changes by giving attributes other tensors is copied back into those it began with; parameters
and Adam's moments change in place anyhow. All of that is ordinary PyTorch, and tested on a processor; what only a GPU
can do is in :class:`CudaGraph`, and was not run on one yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

WARM_UP = 3
"""Ordinary steps before a recording: Adam's moments and the libraries' workspaces are made in them."""
CLOSE = 1e-3
"""Relative difference up to which a replayed step is the ordinary one: sums of a GPU have no fixed order."""

Work = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""From given tensors to found ones, with whatever else it changes."""


class Recorder(Protocol):
    """Runs work once to record it, without its effects counting, and repeats it."""

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> None:
        """Record ``work``, which may draw from ``generators``."""
        ...

    def replay(self) -> None:
        """Do it once more."""
        ...


class CudaGraph:
    """The recorder of a GPU. Not run on one yet."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> None:
        for generator in generators:
            self._graph.register_generator_state(generator)
        with torch.cuda.graph(self._graph):
            work()

    def replay(self) -> None:
        self._graph.replay()


class Recording:
    """One recorded step.

    Args:
        work: the step.
        given: tensors of the shapes that it is to be given.
        found: tensors of the shapes that it finds.
        holders: objects whose tensors, as attributes, ``work`` replaces by others of the same shape.
        generators: that it draws from.
        recorder: records and repeats.
    """

    def __init__(
        self,
        work: Work,
        given: Sequence[Tensor],
        found: Sequence[Tensor],
        holders: Sequence[object],
        generators: Sequence[torch.Generator],
        recorder: Recorder,
    ) -> None:
        self._work, self._recorder = work, recorder
        self._given, self._found = ([tensor.clone() for tensor in tensors] for tensors in (given, found))
        self._homes = [(holder, {name: value.clone() for name, value in held(holder).items()}) for holder in holders]
        self._bring_home()
        recorder.record(self._between_buffers, generators)

    def __call__(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The step with what it is given now; copies of what it finds."""
        _copy(given, self._given)
        self._bring_home()
        self._recorder.replay()
        return [tensor.clone() for tensor in self._found]

    def _between_buffers(self) -> None:
        _copy(self._work(self._given), self._found)
        self._bring_home()

    def _bring_home(self) -> None:
        """Hold in the buffers what the holders hold: also what somebody else has given them since."""
        for holder, homes in self._homes:
            for name, home in homes.items():
                now = getattr(holder, name)
                if now is not home:
                    home.copy_(torch.as_tensor(now))
                    setattr(holder, name, home)


class Snapshot:
    """Everything that a step changes, at one moment.

    Args:
        tensors: that change in place.
        holders: see :class:`Recording`.
        generators: that the step draws from.
    """

    def __init__(
        self, tensors: Sequence[Tensor], holders: Sequence[object], generators: Sequence[torch.Generator]
    ) -> None:
        self._tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]
        self._held = [(holder, {name: value.clone() for name, value in held(holder).items()}) for holder in holders]
        self._generators = [(generator, generator.get_state()) for generator in generators]

    @torch.no_grad()
    def restore(self) -> None:
        """Back to that moment."""
        for tensor, before in self._tensors:
            tensor.copy_(before)
        for holder, values in self._held:
            for name, before in values.items():
                setattr(holder, name, before.clone())
        for generator, state in self._generators:
            generator.set_state(state)


def held(holder: object) -> dict[str, Tensor]:
    """The tensors among an object's attributes."""
    return {name: value for name, value in vars(holder).items() if isinstance(value, Tensor)}


def alike(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    """Whether a replayed step has come to what an ordinary one comes to, relative to the largest of each tensor."""
    for one, other in zip(found, wanted, strict=True):
        a, b = one.detach().double(), other.detach().double()
        largest = float(b.abs().nan_to_num().max()) if b.numel() else 0.0
        if not torch.allclose(a, b, rtol=CLOSE, atol=CLOSE * largest, equal_nan=True):
            return False
    return True


@torch.no_grad()
def _copy(tensors: Sequence[Tensor], homes: Sequence[Tensor]) -> None:
    for tensor, home in zip(tensors, homes, strict=True):
        home.copy_(tensor)
