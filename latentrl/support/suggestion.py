"""What is suggested with the next command, where the verbs' own defaults do not do: printed, never applied unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SUGGESTED = "suggested"
"""The entry of ``metadata.json``, and of a run's description of its data, that holds it."""


@dataclass(frozen=True)
class Suggestion:
    """What an environment's author knows to work; None: the verbs' own defaults do.

    Attributes:
        position_size: of a state of the model.
        state_size: the same, velocities included.
        distance: by which goals are reached.
    """

    position_size: int | None = None
    state_size: int | None = None
    distance: str | None = None

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> Suggestion:
        """What the data's metadata suggests; what is none of it is left out."""
        stored = recorded.get(SUGGESTED)
        found = stored if isinstance(stored, dict) else {}
        sizes = {name: found.get(name) for name in ("position_size", "state_size")}
        distance = found.get("distance")
        return cls(
            **{name: size for name, size in sizes.items() if type(size) is int and size > 0},
            distance=distance if isinstance(distance, str) else None,
        )

    def as_json(self) -> dict[str, Any]:
        """For ``metadata.json``: what there is of it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def train(self) -> tuple[str, ...]:
        """As flags of ``latentrl train``."""
        given = {"--position-size": self.position_size, "--state-size": self.state_size}
        return tuple(word for flag, size in given.items() if size is not None for word in (flag, str(size)))

    @property
    def learn(self) -> tuple[str, ...]:
        """As flags of ``latentrl learn``, and of planners."""
        return () if self.distance is None else ("--distance", self.distance)
