"""The spaces of imagined episodes, as Gymnasium and stable-baselines3 ask for them."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box


def spaces_of(feature_size: int, action_size: int) -> tuple[Box[np.float32], Box[np.float32]]:
    """The space of one episode's observations ``[F]`` and that of its actions ``[Du]``, both float32."""
    return Box(-np.inf, np.inf, (feature_size,), np.float32), Box(-1.0, 1.0, (action_size,), np.float32)
