"""To come near a goal of which nobody knows the pose, only what is observed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latentrl.envs.measures.base import Outcome, Truth, headings_at_end

OBSERVED, ENCODED = "observed", "encoded"
"""Entries of the truth that hold a distance to the goal's observation: as it is observed, and as a model encodes it."""


@dataclass(frozen=True)
class Approach:
    """Distances to the goal's observation, as far as they are there, for comparing: what is near enough is not known.

    Figures of each distance: ``<name>_closest``, the least over the episode; ``seconds_to_<name>_closest``, when that
    was; ``<name>_at_end``, the last. Their means over the episodes count, with intervals.

    Attributes:
        observed: the unit of ``truth["observed"]``, the root mean square of the differences of observations.
        encoded: the unit of ``truth["encoded"]``, the distance of the positions that a model encodes them to.
    """

    observed: str = "of full scale"
    encoded: str = "latent"

    @property
    def headings(self) -> Mapping[str, str]:
        """Column headings of the figures in a table for people, by figure."""
        found: dict[str, str] = {}
        for name, unit in self._units.items():
            found |= {
                f"{name}_closest_mean": f"{name}: closest, {unit}",
                f"{name}_closest_low": "95% from",
                f"{name}_closest_high": "95% to",
                f"seconds_to_{name}_closest": f"{name}: s to closest",
            } | headings_at_end(name, unit)
        return found

    def __call__(self, truth: Truth, control_step: float, target: float | None) -> Outcome:
        """The outcome of ``truth["observed"]`` and ``truth["encoded"]``, each ``[T, N]``."""
        figures = {}
        for name in (one for one in self._units if one in truth):
            distance = truth[name]
            figures[f"{name}_closest"] = distance.min(axis=0)
            figures[f"seconds_to_{name}_closest"] = (distance.argmin(axis=0) + 1) * control_step
            figures[f"{name}_at_end"] = distance[-1]
        averaged = tuple(name for name in figures if not name.startswith("seconds_"))
        return Outcome(None, figures, averaged=averaged)

    @property
    def _units(self) -> dict[str, str]:
        return {OBSERVED: self.observed, ENCODED: self.encoded}
