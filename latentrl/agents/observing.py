"""What a camera or a sensor hands over, as a model takes it: one frame or a batch, or refused with the reason.

A picture of the wrong dtype, or with its channels first, is an array like any other: a filter would go on without a
word and believe nonsense. What can be meant in one way only is accepted, all else is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentrl.support.errors import UserError
from latentrl.types import Observing, is_image_shape


@dataclass(frozen=True)
class Expected:
    """What a model observes.

    Attributes:
        shape: of one observation.
        dtype: ``uint8`` (pictures, 0 to 255) or a floating-point one.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def by(cls, model: object) -> Expected | None:
        """What ``model`` says that it observes; None where it says nothing."""
        if not isinstance(model, Observing):
            return None
        return cls(tuple(model.spec.observation_shape), np.dtype(model.spec.observation_dtype))

    def batch(self, observation: Any) -> tuple[NDArray[Any], bool]:
        """``observation`` as ``[N, *shape]`` of the dtype, and whether it was a single one, ``[*shape]``.

        The axis of a single grey channel may be missing. Numbers for a floating-point model are cast to its dtype;
        nothing is cast to ``uint8``, for nobody knows whether a float of 0.9 is bright or all but black.

        Raises:
            UserError: another shape, or a dtype that does not tell what is meant.
        """
        frames = np.asarray(observation)
        single, shape = self._is_single(frames.shape)
        frames = self._cast(frames)
        frames = frames.reshape(shape)
        if not len(frames):
            raise UserError(f"observation: is empty, of shape {frames.shape}; give at least one of {self}")
        return frames, single

    def check_numbers(self, frames: NDArray[Any], seen: NDArray[np.bool_] | None) -> None:
        """Refuse numbers that are none among the frames ``[N, ...]`` that arrived, ``seen [N]``; None: all did.

        Raises:
            UserError: NaN or infinite.
        """
        if self.dtype.kind != "f" or np.isfinite(frames).all():
            return
        wrong = ~np.isfinite(frames.reshape(len(frames), -1)).all(1)
        if seen is not None:
            wrong &= seen
        if wrong.any():
            episode = int(wrong.argmax())
            value = frames[episode][~np.isfinite(frames[episode])].flat[0]
            raise UserError(
                f"observation: holds {value} in episode {episode}; where no reading arrived, say so with seen=False, "
                "and the belief is only predicted"
            )

    def _is_single(self, found: Sequence[int]) -> tuple[bool, tuple[int, ...]]:
        """Whether ``found`` is the shape of one observation, and the shape of the batch."""
        grey = is_image_shape(self.shape) and self.shape[-1] == 1
        for own in (self.shape, self.shape[:-1]) if grey else (self.shape,):
            if tuple(found) == own:
                return True, (1, *self.shape)
            if tuple(found[1:]) == own:
                return False, (found[0], *self.shape)
        first = is_image_shape(self.shape) and (self.shape[2], *self.shape[:2]) in (tuple(found), tuple(found[1:]))
        cure = "channels come last: give numpy.moveaxis(frame, -3, -1)" if first else f"give one, or [N, {self.inner}]"
        raise UserError(f"observation: has the shape {tuple(found)}, but the model sees {self}; {cure}")

    def _cast(self, frames: NDArray[Any]) -> NDArray[Any]:
        if frames.dtype == self.dtype:
            return frames
        pictures = self.dtype == np.uint8
        if pictures and frames.dtype.kind == "f":
            cure = "give frame.round().astype('uint8') if its values are 0 to 255, the same of 255 * frame if 0 to 1"
        elif pictures:
            cure = "give 8 bits: frame.astype('uint8') if its values are 0 to 255"
        elif frames.dtype == np.uint8 and is_image_shape(self.shape):
            cure = f"give it in the units of the data, as {self.dtype.name}: divided by 255 if these were 0 to 1"
        elif frames.dtype.kind in "fiu":
            return frames.astype(self.dtype)
        else:
            cure = "give numbers"
        raise UserError(f"observation: is {frames.dtype}, but the model sees {self}; {cure}")

    @property
    def inner(self) -> str:
        """The shape of one observation without brackets."""
        return ", ".join(map(str, self.shape))

    def __str__(self) -> str:
        kind = " pictures, 0 to 255," if self.dtype == np.uint8 and is_image_shape(self.shape) else ""
        return f"{self.dtype.name}{kind} of shape ({self.inner})"
