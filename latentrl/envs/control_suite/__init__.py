"""The tasks of the DeepMind control suite by their names: ``dm_control/DOMAIN-TASK``. This face needs no MuJoCo.

They are not among `ENVIRONMENTS`: nothing here says what is to be done in one of them, and the coordinates of each are
read off its model when it is made.
"""

from __future__ import annotations

import gymnasium

NAMESPACE = "dm_control"
ENTRY_POINT = "latentrl.envs.control_suite.env:ControlSuiteEnv"
SUITE: dict[str, tuple[str, ...]] = {
    "acrobot": ("swingup", "swingup_sparse"),
    "ball_in_cup": ("catch",),
    "cartpole": ("balance", "balance_sparse", "swingup", "swingup_sparse", "two_poles", "three_poles"),
    "cheetah": ("run",),
    "dog": ("stand", "walk", "trot", "run", "fetch"),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "fish": ("upright", "swim"),
    "hopper": ("stand", "hop"),
    "humanoid": ("stand", "walk", "run", "run_pure_state"),
    "humanoid_CMU": ("stand", "walk", "run"),
    "lqr": ("lqr_2_1", "lqr_6_2"),
    "manipulator": ("bring_ball", "bring_peg", "insert_ball", "insert_peg"),
    "pendulum": ("swingup",),
    "point_mass": ("easy", "hard"),
    "quadruped": ("walk", "run", "escape", "fetch"),
    "reacher": ("easy", "hard"),
    "stacker": ("stack_2", "stack_4"),
    "swimmer": ("swimmer6", "swimmer15"),
    "walker": ("stand", "walk", "run"),
}
"""By domain, so that the names are known without importing the suite."""


def register() -> None:
    """Make the tasks known to Gymnasium, which imports the suite when one of them is made."""
    for domain, tasks in SUITE.items():
        for task in tasks:
            env_id = f"{NAMESPACE}/{domain}-{task}"
            if env_id not in gymnasium.registry:
                # The suite ends its episodes itself; the wrappers that Gymnasium adds by default would warn of actions
                # that are not in [-1, 1] and check every step.
                gymnasium.register(
                    env_id, ENTRY_POINT, kwargs={"domain": domain, "task": task}, disable_env_checker=True
                )
