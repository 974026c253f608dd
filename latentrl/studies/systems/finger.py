"""The control suite's finger: what stands in the way of a goal picture."""

from __future__ import annotations

from latentrl.studies.systems.base import System

FINGER = System(
    name="finger",
    title="dm_control finger turn_easy",
    unsupported="Where the spinner is to point is drawn anew for every episode and marked in the picture. One goal "
    "picture is of one episode, and no option of a reset sets the mark; an environment of this package "
    "can photograph a goal for every episode, one of the control suite's cannot.",
)
