"""An agent as what LeRobot calls a policy, by its methods alone: nothing of LeRobot is imported.

LeRobot asks a policy for ``reset()`` when an episode begins and for ``select_action(batch)`` at every step, and hands
it pictures as float32 ``[N, C, H, W]`` in [0, 1], readings as float32 ``[N, D]`` and words beside them; of the policy's
``config`` it reads the features, the device and whether to cast automatically
(``lerobot.policies.pretrained.PreTrainedPolicy``, version 0.6.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentrl.agents import LatentAgent
from latentrl.agents.observing import Expected
from latentrl.support.errors import UserError

IMAGE, STATE, ACTION = "observation.image", "observation.state", "action"


@dataclass(frozen=True)
class Feature:
    """What an entry of a batch is: ``type`` as in LeRobot's ``FeatureType``, ``shape`` without N, channels first."""

    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class AgentConfig:
    """What LeRobot's loops read of a policy's configuration, by the names of its ``PreTrainedConfig``.

    Attributes:
        input_features: what the policy observes, by entry of the batch.
        output_features: what it gives.
        type: of the policy, where LeRobot names it.
        device: where the agent works, whatever the batch lies on.
        use_amp: whether to cast automatically: a filter needs its single precision.
        n_obs_steps: frames in a batch: the filter remembers the others.
    """

    input_features: Mapping[str, Feature]
    output_features: Mapping[str, Feature]
    type: str = "latentrl"
    device: str = "cpu"
    use_amp: bool = False
    n_obs_steps: int = 1

    @property
    def image_features(self) -> dict[str, Feature]:
        """Those of the inputs that are pictures."""
        return {key: one for key, one in self.input_features.items() if one.type == "VISUAL"}

    @property
    def robot_state_feature(self) -> Feature | None:
        """The readings, if the model observes such."""
        return next((one for one in self.input_features.values() if one.type == "STATE"), None)

    @property
    def action_feature(self) -> Feature | None:
        """The action, if the model says how many numbers it has."""
        return self.output_features.get(ACTION)


class LeRobotPolicy(nn.Module):
    """Filters and acts in the loops of LeRobot; it does not learn there.

    Actions are in the environment's units and observations raw: the pre- and the postprocessor are to change nothing.

    Args:
        agent: what acts.
        key: the entry of the batch that the model observes. None: "observation.state" for readings; for pictures
            "observation.image", or the one entry that begins like this.

    Raises:
        UserError: the agent's model does not say what it observes.
    """

    name = "latentrl"
    config_class: ClassVar[type[AgentConfig]] = AgentConfig
    agent: LatentAgent
    key: str | None
    config: AgentConfig

    def __init__(self, agent: LatentAgent, key: str | None = None) -> None:
        super().__init__()
        expected = Expected.by(agent.model)
        if expected is None:
            raise UserError(f"agent: its model, a {type(agent.model).__name__}, does not say what it observes")
        self.agent, self.key = agent, key
        self._pictures, self._bytes = len(expected.shape) == 3, expected.dtype == np.uint8
        channels_first = (expected.shape[-1], *expected.shape[:-1]) if self._pictures else expected.shape
        seen = Feature("VISUAL" if self._pictures else "STATE", channels_first)
        # A filter of a user's own need not say it.
        size = getattr(getattr(agent.model, "spec", None), "action_size", None)
        acted = {} if size is None else {ACTION: Feature("ACTION", (size,))}
        device = str(getattr(agent, "device", AgentConfig.device))
        self.config = AgentConfig({key or (IMAGE if self._pictures else STATE): seen}, acted, device=device)

    def reset(self) -> None:
        """New episodes begin."""
        self.agent.reset()

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Actions ``[N, Du]`` float32, where the observations are, for the next observations of N episodes.

        Raises:
            UserError: no such entry, pictures that are not in [0, 1], or what `LatentAgent.act` refuses.
        """
        key = self.key or self._found(batch)
        if not isinstance(batch.get(key), Tensor):
            raise UserError(
                f"batch: holds no tensor {key!r}, but {', '.join(sorted(batch)) or 'nothing'}; say which key"
            )
        given: Tensor = batch[key]
        observation = self._picture(key, given) if self._pictures else given.cpu().numpy()
        return torch.from_numpy(self.agent.act(observation)).to(given.device)

    def supports_rtc(self) -> bool:
        """Whether chunks are replaced while they are carried out: there is nothing of a chunk to replace."""
        return False

    def predict_action_chunk(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """The next action alone, ``[N, 1, Du]``: what follows it depends on what will be seen."""
        return self.select_action(batch)[:, None]

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any] | None]:
        """Refused: it is the loss of LeRobot's training."""
        raise NotImplementedError("an agent of latentrl is trained by latentrl train and learn, not by LeRobot")

    def get_optim_params(self) -> dict[str, Any]:
        """Refused, as `forward`."""
        raise NotImplementedError("an agent of latentrl is trained by latentrl train and learn, not by LeRobot")

    def _found(self, batch: Mapping[str, Any]) -> str:
        if not self._pictures or IMAGE in batch:
            return IMAGE if self._pictures else STATE
        able = sorted(name for name in batch if name.startswith(IMAGE))
        if len(able) > 1:
            raise UserError(f"batch: holds the pictures {', '.join(able)}; say with key which one the model observes")
        return able[0] if able else IMAGE

    def _picture(self, key: str, given: Tensor) -> NDArray[Any]:
        """``[N, C, H, W]`` in [0, 1] as the model observes it, channels last."""
        frames = given.movedim(-3, -1).cpu()
        if not self._bytes:
            return frames.numpy()
        if frames.dtype != torch.uint8:
            low, high = (float(bound) for bound in frames.aminmax())
            if not (low >= 0.0 and high <= 1.0):
                raise UserError(
                    f"{key}: pictures hold {low:.3g} to {high:.3g}; give 0 to 1: no preprocessor is to change them"
                )
            frames = (255.0 * frames).round().to(torch.uint8)
        return np.ascontiguousarray(frames.numpy())
