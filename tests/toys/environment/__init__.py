"""An environment: what a mass on a rail says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import Collection, Environment
from tests.toys.environment.tasks import ENV_ID, PLACE, SPEED, TASKS


def _coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    return PLACE, SPEED


TOY_ENVIRONMENT = Environment(
    ENV_ID,
    "toy",
    "tests.toys.environment.env:ToyEnv",
    coordinates=_coordinates,
    tasks=TASKS,
    collection=Collection(sequences=12, test_sequences=6, length=6, hold=0.5, num_envs=3, goal=(0.25,)),
)
