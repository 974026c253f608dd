"""How far coordinates are from a pose, where nobody has said what is near enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.measures.base import GOAL, Outcome, Truth, distances, headings_at_end


@dataclass(frozen=True)
class Remaining:
    """What is left to go to a pose, coordinate by coordinate, for comparing; needs ``"goal"``.

    Figures of each: ``<name>_closest``, the least distance over the episode, and ``<name>_at_end``, the last. The mean
    of the latter over the episodes counts, with its interval.

    Attributes:
        coordinates: of the pose, ``D`` of them, each in its own unit.
    """

    coordinates: tuple[Coordinate, ...]

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        found: dict[str, str] = {}
        for one in self.coordinates:
            found[f"{one.name}_closest"] = f"{one.name}: closest, {one.unit}"
            found |= headings_at_end(one.name, one.unit)
        return found

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of the coordinates' entries of ``truth`` and ``truth["goal"] [N, D]``."""
        error = distances(self.coordinates, truth, truth[GOAL])
        figures = {}
        for at, one in enumerate(self.coordinates):
            figures[f"{one.name}_closest"] = error[..., at].min(axis=0)
            figures[f"{one.name}_at_end"] = error[-1, :, at]
        return Outcome(None, figures, averaged=tuple(f"{one.name}_at_end" for one in self.coordinates))
