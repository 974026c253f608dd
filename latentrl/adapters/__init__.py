"""The interfaces of others' libraries: imaginations, environments and agents as they ask for them.

==========================  =====================================================================
file                        what it makes
==========================  =====================================================================
``imagination``             of a run, the problem that is learned in its model
``imagined_vector_env``     of imagined episodes, a ``gymnasium.vector.VectorEnv``
``imagined_single_env``     of one, a ``gymnasium.Env``
``torchrl_env``             of imagined episodes, a ``torchrl.envs.EnvBase``; needs TorchRL
``dm_environment``          of a ``gymnasium.Env``, a ``dm_env.Environment``, and back; needs dm_env
``lerobot_policy``          of an agent, what LeRobot calls a policy; needs nothing of LeRobot
==========================  =====================================================================

stable-baselines3's is ``latentrl.agents.imagined_env``, for `learn` uses it.
"""

from __future__ import annotations

from latentrl.adapters.imagination import RunImagination, load_imagination
from latentrl.adapters.imagined_single_env import ImaginedSingleEnv
from latentrl.adapters.imagined_vector_env import ImaginedVectorEnv

__all__ = ["ImaginedSingleEnv", "ImaginedVectorEnv", "RunImagination", "load_imagination"]
