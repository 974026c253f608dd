"""How much time passes between two actions, as far as an environment says it."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeGuard

from gymnasium.vector import SyncVectorEnv, VectorEnv


class ControlStep(NamedTuple):
    """Seconds between two actions.

    Attributes:
        seconds: None where nobody says.
        said_by: ``control_step``, an entry of the environment's ``metadata``; ``dt``, an attribute of the environment;
            ``render_fps``, an entry of ``metadata`` that may be the speed of a film for people alone; None: nobody.
    """

    seconds: float | None = None
    said_by: str | None = None


def control_step_of(envs: VectorEnv, repeat: int = 1) -> ControlStep:
    """What environments say of their time, the most reliable first: ``control_step``, ``dt``, ``render_fps``.

    Args:
        envs: made by :func:`latentrl.data_collection.making.make`.
        repeat: environment steps that each action is held for, as they were made with.
    """
    step = envs.metadata.get("control_step")
    if _is_time(step):
        return ControlStep(float(step), "control_step")  # held steps are counted in it
    # Environments that are many at once by themselves, and wrappers around them, hide single ones.
    single = envs.unwrapped.envs[0].unwrapped if isinstance(envs.unwrapped, SyncVectorEnv) else None
    own = getattr(single, "dt", None)
    if _is_time(own):
        return ControlStep(float(own) * repeat, "dt")
    # A single environment is asked itself: what repeats an action has divided the rate of its wrapper already.
    rate = (envs if single is None else single).metadata.get("render_fps")
    if _is_time(rate):
        return ControlStep((1 if single is None else repeat) / float(rate), "render_fps")
    return ControlStep()


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
