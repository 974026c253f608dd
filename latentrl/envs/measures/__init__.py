"""What is measured of an agent: a measure is one file and one line."""

from __future__ import annotations

from latentrl.envs.measures.approach import ENCODED, OBSERVED, Approach
from latentrl.envs.measures.base import (
    GOAL,
    LENGTH,
    Floats,
    Measure,
    Outcome,
    Together,
    Truth,
    distances,
    settling_time,
)
from latentrl.envs.measures.held import Held
from latentrl.envs.measures.latent_speed import SPEEDS, LatentSpeed
from latentrl.envs.measures.passed import Passed
from latentrl.envs.measures.remaining import Remaining
from latentrl.envs.measures.score import REWARD, Score
from latentrl.envs.measures.spread import Spread
from latentrl.envs.measures.steady_speed import SteadySpeed

MEASURES: dict[str, type[Measure]] = {
    "held": Held,
    "passed": Passed,
    "steady_speed": SteadySpeed,
    "score": Score,
    "spread": Spread,
    "approach": Approach,
    "latent_speed": LatentSpeed,
    "remaining": Remaining,
}

__all__ = [
    "ENCODED",
    "GOAL",
    "LENGTH",
    "MEASURES",
    "OBSERVED",
    "REWARD",
    "SPEEDS",
    "Approach",
    "Floats",
    "Held",
    "LatentSpeed",
    "Measure",
    "Outcome",
    "Passed",
    "Remaining",
    "Score",
    "Spread",
    "SteadySpeed",
    "Together",
    "Truth",
    "distances",
    "settling_time",
]
