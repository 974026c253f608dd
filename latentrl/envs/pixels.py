"""Image observations for any environment that can render itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.spaces.utils import flatten
from numpy.typing import NDArray
from PIL import Image

from latentrl.support.errors import UserError

CURE = "give a render() that returns one picture [H, W, 3] uint8 in render_mode='rgb_array'"


def as_picture(rendered: Any) -> NDArray[np.uint8]:
    """What an environment renders as a picture ``[H, W, 3]`` uint8, whatever kind of picture it makes.

    Grey ``[H, W]`` and ``[H, W, 1]`` become colour, the opacity of ``[H, W, 4]`` is left out, floats in 0 to 1 are
    scaled to 0 to 255, and of a list of pictures the last is taken.

    Raises:
        UserError: nothing, or something that is no such picture; says what came.
    """
    if rendered is None:
        raise UserError(f"render() returned None; {CURE}")
    if isinstance(rendered, list | tuple):
        if not rendered:
            raise UserError(f"render() returned no picture but an empty {type(rendered).__name__}; {CURE}")
        rendered = rendered[-1] if _many(rendered) else rendered
    try:
        frame = np.asarray(rendered)
    except ValueError as error:
        raise UserError(f"render() returned rows of unequal length; {CURE}") from error
    if frame.dtype == object or frame.dtype.kind not in "buif":
        raise UserError(f"render() returned {type(rendered).__name__}, which is no picture; {CURE}")
    if frame.ndim == 2:
        frame = frame[:, :, None]
    if frame.ndim != 3 or frame.shape[2] not in (1, 3, 4) or not frame.size:
        raise UserError(f"render() returned an array of shape {np.shape(rendered)}; {CURE}")
    frame = _as_bytes(frame[:, :, :3])
    return np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame


class PixelObservation(gymnasium.Wrapper[NDArray[np.uint8], Any, Any, Any]):
    """Observe the rendered picture, cropped and resized, in place of the environment's own observation.

    The own observation goes, flattened, to ``info["state"]``: ground truth, for evaluation alone.

    Args:
        env: made with ``render_mode="rgb_array"``.
        size: height and width ``(H, W)`` of the observation, or one number for both; it is ``[H, W, 3]`` uint8.
        grey: observe brightness alone, ``[H, W, 1]``: a third of the numbers where colours tell nothing.
        crop: the part of the rendered picture to look at, ``(top, left, height, width)`` in its pixels; None: all.

    Raises:
        ValueError: another render mode, no pixels, a negative part of a picture.
        UserError: when a picture is taken, the environment renders none, or one that the crop goes beyond.
    """

    size: tuple[int, int]
    grey: bool
    crop: Sequence[int] | None

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        size: int | Sequence[int],
        grey: bool = False,
        crop: Sequence[int] | None = None,
    ) -> None:
        super().__init__(env)
        if env.render_mode != "rgb_array":
            raise ValueError(f"{env} has render_mode={env.render_mode!r}: make it with render_mode='rgb_array'")
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        if min(self.size) < 1:
            raise ValueError(f"size={size!r}: give a number of pixels, one or more")
        if crop is not None and (min(crop[:2]) < 0 or min(crop[2:]) < 1):
            raise ValueError(f"crop={crop!r}: give top,left,height,width in pixels of the rendered picture")
        self.grey, self.crop = grey, crop
        self._rendered: tuple[int, ...] | None = None
        self.observation_space = Box(0, 255, (*self.size, 1 if grey else 3), np.uint8)
        self.metadata = {**env.metadata, "ground_truth": (*env.metadata.get("ground_truth", ()), "state")}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode and observe the picture ``[H, W, C]`` of its first state."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._photograph(), self._with_state(info, observation)

    def step(self, action: Any) -> tuple[NDArray[np.uint8], Any, bool, bool, dict[str, Any]]:
        """Apply ``action``, then observe the picture ``[H, W, C]``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._photograph(), reward, terminated, truncated, self._with_state(info, observation)

    def _photograph(self) -> NDArray[np.uint8]:
        frame = as_picture(self.env.render())
        if self._rendered not in (None, frame.shape):
            # Made small, they would be pictures of two scales.
            raise UserError(
                f"render() returned pictures of {self._rendered} and then of {frame.shape}; give a render() that "
                "returns pictures of one size"
            )
        self._rendered = frame.shape
        frame = self._cropped(frame)
        # Pillow widens the bilinear filter when it shrinks, so thin lines fade and do not flicker.
        image = Image.fromarray(frame).resize(self.size[::-1], Image.Resampling.BILINEAR)
        pixels = np.array(image.convert("L") if self.grey else image)
        return pixels.reshape(self.observation_space.shape)

    def _cropped(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.crop is None:
            return frame
        top, left, height, width = self.crop
        if top + height > frame.shape[0] or left + width > frame.shape[1]:
            raise UserError(
                f"--crop {top},{left},{height},{width} goes beyond the rendered picture, which is "
                f"{frame.shape[0]} pixels high and {frame.shape[1]} wide"
            )
        return np.ascontiguousarray(frame[top : top + height, left : left + width])

    def _with_state(self, info: dict[str, Any], observation: Any) -> dict[str, Any]:
        state = np.asarray(flatten(self.env.observation_space, observation), dtype=np.float32)
        return {**info, "state": state}


def _many(rendered: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list holds pictures, and is not the rows of one."""
    return isinstance(rendered[0], np.ndarray) and rendered[0].shape[-1] in (1, 3, 4) and rendered[0].ndim == 3


def _as_bytes(frame: NDArray[Any]) -> NDArray[np.uint8]:
    if frame.dtype == np.uint8:
        return frame
    low, high = frame.min(), frame.max()
    if frame.dtype == bool or frame.dtype.kind == "f":
        if not (low >= 0 and high <= 1):
            raise UserError(f"render() returned {frame.dtype} from {low:g} to {high:g}; {CURE}, or floats in 0 to 1")
        return np.rint(255.0 * frame).astype(np.uint8)
    if low < 0 or high > 255:
        raise UserError(f"render() returned {frame.dtype} from {low} to {high}; {CURE}")
    return frame.astype(np.uint8)
