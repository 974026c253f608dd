"""What is to be done on the rail."""

from __future__ import annotations

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.tasks import Task
from tests.toys.measure import ToyMeasure

ENV_ID = "toys/Toy-v0"
PLACE = Coordinate("place", "line", "place", 0, "m", (-1.0, 1.0))
SPEED = Coordinate("speed", "velocity", "speed", 0, "m/s")

TASKS = {
    "toy-park": Task(
        ENV_ID,
        ("place", "speed"),
        ToyMeasure(PLACE),
        goal="toy:0",
        torque=1.0,
        steps=6,
        episodes=3,
        torque_limit=None,
        state=("place", "speed"),
        pose="place",
        description="to end within 0.5 m of the middle",
    )
}
