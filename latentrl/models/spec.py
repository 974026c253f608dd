"""The shapes and units a model is made for."""

from __future__ import annotations

from dataclasses import dataclass

from latentrl.types import Sequences, is_image_shape


@dataclass(frozen=True)
class DataSpec:
    """The shapes and units a model is made for; saved with it, so that a model needs no data set to be loaded.

    Attributes:
        observation_shape: shape of one observation, for example ``(16, 16, 1)``.
        observation_dtype: ``"uint8"`` (images, scaled to [0, 1]) or ``"float32"``.
        action_size: Du.
        action_scale: largest absolute action of the training data per dimension: the model works on actions / scale.
    """

    observation_shape: tuple[int, ...]
    observation_dtype: str
    action_size: int
    action_scale: tuple[float, ...]

    @property
    def is_image(self) -> bool:
        """Whether an observation is a picture, counted in [0, 1]."""
        return self.observation_dtype == "uint8" and is_image_shape(self.observation_shape)

    @classmethod
    def of(cls, data: Sequences) -> DataSpec:
        """The spec of a training set; of single frames, which have no actions, the scale of these is one."""
        actions = data.actions if data.length > 1 else data.actions.new_ones(1, 1, data.actions.shape[-1])
        scale = actions.abs().amax((0, 1)).clamp(min=1e-6)
        return cls(
            tuple(data.observations.shape[2:]),
            str(data.observations.dtype).removeprefix("torch."),
            data.actions.shape[-1],
            tuple(float(s) for s in scale),
        )
