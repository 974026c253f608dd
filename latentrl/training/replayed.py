"""A trainer's steps, replayed where that is possible: what is recorded when, and whether it may be trusted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latentrl.support.printing import say
from latentrl.training.recording import WARM_UP, Recorder, Recording, Snapshot, Work, alike, held


@dataclass
class Replayed:
    """Steps of one training: ordinary ones at first, then replayed, as long as their structure stays.

    Before a recording is used it does one step that an ordinary one does as well, from the same state. If the two
    differ, or the step cannot be recorded, all further steps are ordinary ones, which is said once.

    Args:
        work: the step, from tensors to tensors.
        changed: the tensors that it changes in place, and those of them that tell whether two steps are alike.
        holders: see :class:`Recording`.
        generators: that it draws from.
        make: a recorder; None: steps are not recorded.
    """

    work: Work
    changed: Callable[[], tuple[Sequence[Tensor], Sequence[Tensor]]]
    holders: Callable[[], Sequence[object]]
    generators: Sequence[torch.Generator]
    make: Callable[[], Recorder] | None
    _ordinary: int = 0
    _recordings: dict[Hashable, Recording] = field(default_factory=dict)

    def __call__(self, structure: Hashable, given: Sequence[Tensor]) -> Sequence[Tensor]:
        """One step.

        Args:
            structure: what Python decides on in it; another one is another recording.
            given: the step's tensors.
        """
        recording = self._recordings.get((structure, _shapes(given)))
        if recording is not None:
            return recording(given)
        if self.make is None or self._ordinary < WARM_UP:
            self._ordinary += 1
            return self.work(given)
        return self._first(structure, given, self.make())

    def forget(self) -> None:
        """What was recorded is no more: somebody has replaced what it worked on."""
        self._recordings.clear()
        self._ordinary = 0

    def _first(self, structure: Hashable, given: Sequence[Tensor], recorder: Recorder) -> Sequence[Tensor]:
        """An ordinary step, and beside it a recording of it, if that comes to the same."""
        changed, telling = self.changed()
        before = Snapshot(changed, self.holders(), self.generators)
        found = self.work(given)
        wanted = self._told(found, telling)
        after = Snapshot(changed, self.holders(), self.generators)
        before.restore()
        try:
            recording = Recording(self.work, given, found, self.holders(), self.generators, recorder)
            good = alike(self._told(recording(given), telling), wanted)
            why = "a replayed step differs from an ordinary one"
        except RuntimeError as error:
            good, why = False, str(error).splitlines()[0] if str(error) else type(error).__name__
        after.restore()
        if good:
            self._recordings[structure, _shapes(given)] = recording
        else:
            self.make = None
            say(f"note: steps are not replayed as a CUDA graph ({why}); they are ordinary ones", flush=True)
        return found

    def _told(self, found: Sequence[Tensor], telling: Sequence[Tensor]) -> list[Tensor]:
        """What two steps that are alike have in common, copied."""
        numbers = [value for holder in self.holders() for value in held(holder).values()]
        return [tensor.detach().clone() for tensor in (*found, *telling, *numbers)]


def _shapes(given: Sequence[Tensor]) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in given)
