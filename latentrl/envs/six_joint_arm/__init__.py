"""An arm with six joints whose tool goes round a circle. This face describes it and needs no MuJoCo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentrl.envs.coordinates import Coordinate
from latentrl.envs.description import Collection, Environment, Flag

PHASE = Coordinate("phase", "angle", "phase", unit="rad")
"""Of the tip on its circle."""


def coordinates(env_kwargs: Mapping[str, Any]) -> tuple[Coordinate, ...]:
    """The coordinates of the ground truth, which do not depend on how the environment is made."""
    return (PHASE,)


ENVIRONMENT = Environment(
    env_id="latentrl/SixJointArm-v0",
    alias="six_joint_arm",
    entry_point="latentrl.envs.six_joint_arm.env:SixJointArmEnv",
    coordinates=coordinates,
    # As many frames as the source has (Latent Matters, 5.1.4.3): 6284 and 150.
    collection=Collection(sequences=3142, test_sequences=75, length=2),
    flags=(Flag("noise", float, "0", "standard deviation of the joints' sensors in radians"),),
)
