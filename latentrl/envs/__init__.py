"""Environments with ground truth, registered with Gymnasium under the namespace ``latentrl``.

Gymnasium 1.0 dropped its plugin loader, so an environment is known once this module is imported:

    import gymnasium, latentrl.envs
    env = gymnasium.make("latentrl/Pendulum-v0")

or, with no import of our own, Gymnasium imports it: ``gymnasium.make("latentrl.envs:latentrl/Pendulum-v0")``.
"""

from __future__ import annotations

import gymnasium

PENDULUM = "latentrl/Pendulum-v0"
REACHER = "latentrl/Reacher-v0"


def register() -> None:
    """Make the environments known to Gymnasium; calling it again changes nothing."""
    if PENDULUM not in gymnasium.registry:
        gymnasium.register(
            PENDULUM,
            entry_point="latentrl.envs.pendulum.env:PendulumEnv",
            vector_entry_point="latentrl.envs.pendulum.vector:PendulumVectorEnv",
        )
    if REACHER not in gymnasium.registry:
        gymnasium.register(
            REACHER,
            entry_point="latentrl.envs.reacher.env:ReacherEnv",
            vector_entry_point="latentrl.envs.reacher.vector:ReacherVectorEnv",
        )


register()
