"""Image observations for any environment that can render itself."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.spaces.utils import flatten
from numpy.typing import NDArray
from PIL import Image


class PixelObservation(gymnasium.Wrapper[NDArray[np.uint8], Any, Any, Any]):
    """Observe the rendered picture, resized to ``size`` x ``size``, in place of the environment's own observation.

    The own observation goes, flattened, to ``info["state"]``: ground truth, for evaluation alone.

    Args:
        env: made with ``render_mode="rgb_array"``.
        size: height and width of the observation; it is ``[size, size, 3]`` uint8.
        grey: observe brightness alone, ``[size, size, 1]``: a third of the numbers where colours tell nothing.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], size: int, grey: bool = False) -> None:
        super().__init__(env)
        if env.render_mode != "rgb_array":
            raise ValueError(f"{env} has render_mode={env.render_mode!r}: make it with render_mode='rgb_array'")
        if size < 1:
            raise ValueError(f"size={size!r}: give a number of pixels, one or more")
        self.size, self.grey = size, grey
        self.observation_space = Box(0, 255, (size, size, 1 if grey else 3), np.uint8)
        self.metadata = {**env.metadata, "ground_truth": (*env.metadata.get("ground_truth", ()), "state")}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode and observe the picture ``[size, size, C]`` of its first state."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._photograph(), self._with_state(info, observation)

    def step(self, action: Any) -> tuple[NDArray[np.uint8], Any, bool, bool, dict[str, Any]]:
        """Apply ``action``, then observe the picture ``[size, size, C]``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._photograph(), reward, terminated, truncated, self._with_state(info, observation)

    def _photograph(self) -> NDArray[np.uint8]:
        frame = np.asarray(self.env.render(), dtype=np.uint8)
        # Pillow widens the bilinear filter when it shrinks, so thin lines fade and do not flicker.
        image = Image.fromarray(frame).resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.array(image.convert("L") if self.grey else image)
        return pixels.reshape(self.observation_space.shape)

    def _with_state(self, info: dict[str, Any], observation: Any) -> dict[str, Any]:
        state = np.asarray(flatten(self.env.observation_space, observation), dtype=np.float32)
        return {**info, "state": state}
