"""Imagined episodes as an environment of TorchRL: tensors in, tensors out, on the model's device.

Import this module only where TorchRL is asked for: it is an optional extra.
"""

from __future__ import annotations

import torch

try:
    from tensordict import TensorDict, TensorDictBase
    from torchrl.data import Binary, Bounded, Composite, Unbounded
    from torchrl.envs import EnvBase
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}: pip install 'latentrl[torchrl]'", name=error.name) from error

from latentrl.agents.imagined_episodes import ImaginedEpisodes


class ImaginedTorchRLEnv(EnvBase):
    """``N`` imagined episodes of batch size ``[N]``.

    "observation" ``[N, F]``, "action" ``[N, Du]`` in [-1, 1], "reward" ``[N, 1]``; what they are, and when an episode
    is "terminated" or "truncated", says `ImaginedEpisodes`. A "_reset" mask begins some of them anew. Neither a step
    nor a reset waits for the device here.

    Args:
        episodes: what is stepped.
    """

    def __init__(self, episodes: ImaginedEpisodes) -> None:
        count, device = episodes.count, episodes.device
        super().__init__(device=device, batch_size=torch.Size([count]))
        self.episodes = episodes
        kind = episodes.low.dtype

        def shaped(**entries: object) -> Composite:
            return Composite(**entries, shape=(count,), device=device)

        self.observation_spec: Composite = shaped(observation=Unbounded((count, episodes.feature_size), device, kind))
        self.action_spec: Composite = shaped(action=Bounded(-1.0, 1.0, (count, episodes.action_size), device, kind))
        self.reward_spec: Composite = shaped(reward=Unbounded((count, 1), device, kind))
        flags = {name: Binary(1, (count, 1), device, torch.bool) for name in ("done", "terminated", "truncated")}
        self.done_spec: Composite = shaped(**flags)

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: object) -> TensorDict:
        which = None if tensordict is None else tensordict.get("_reset", None)
        observation = self.episodes.start() if which is None else self.episodes.restart(which.reshape(-1))
        return TensorDict({"observation": observation}, self.batch_size, device=self.device)

    def _step(self, tensordict: TensorDictBase) -> TensorDict:
        step = self.episodes.step(tensordict["action"])
        told = {
            "observation": step.observation,
            "reward": step.reward[:, None],
            "terminated": step.terminated[:, None],
            "truncated": step.truncated[:, None],
            "done": (step.terminated | step.truncated)[:, None],
        }
        return TensorDict(told, self.batch_size, device=self.device)

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None:
            self.episodes.seeded(seed)
