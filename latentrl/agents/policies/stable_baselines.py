"""Model-free algorithms of stable-baselines3, run inside the imagination.

Import this module only where stable-baselines3 is asked for: it is an optional extra. Nothing it writes is a pickle.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import safe_mean, set_random_seed
from torch import Tensor, nn

from latentrl.agents.imagination import Imagination, PolicyInput, StartStates, policy_features
from latentrl.agents.imagined_env import ImaginedEnv
from latentrl.agents.policies.progress import OnProgress
from latentrl.agents.policies.stable_baselines_options import StableBaselinesOptions
from latentrl.types import Belief, Dynamics, Reward

REPORTS = 500
"""How often progress is reported, at most."""


class StableBaselinesPolicy(nn.Module):
    """The actor of an algorithm, deterministic: normalise, ask the network, stretch [-1, 1] onto the action range.

    Args:
        algorithm: name of its class in stable-baselines3.
        policy_kwargs: what its policy class is made with, JSON values.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        centre: of the features, ``[F]``.
        scale: their spread, ``[F]``, positive.
        input: what of a belief the policy sees.
        network: the algorithm's own policy, if there is one already.

    Raises:
        ValueError: no such algorithm.
    """

    low: Tensor
    high: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        algorithm: str,
        policy_kwargs: Mapping[str, Any],
        low: Tensor,
        high: Tensor,
        centre: Tensor,
        scale: Tensor,
        input: PolicyInput = "mean",
        network: BasePolicy | None = None,
    ) -> None:
        super().__init__()
        self.algorithm, self.policy_kwargs, self.input = algorithm, dict(policy_kwargs), input
        for name, value in {"low": low, "high": high, "centre": centre, "scale": scale}.items():
            self.register_buffer(name, value.clone())
        if network is None:
            network_class = algorithm_class(algorithm).policy_aliases["MlpPolicy"]
            observations, actions = ImaginedEnv.spaces_of(len(centre), len(low))
            network = network_class(observations, actions, lambda _: 0.0, **self.policy_kwargs)
        self.network = network

    @torch.no_grad()
    def forward(self, belief: Belief | Tensor) -> Tensor:
        """Actions ``[N, Du]`` within the bounds for a belief over ``N`` states, or states where means are seen."""
        features = (policy_features(belief, self.input) - self.centre) / self.scale
        unit, _ = self.network.predict(features.numpy(), deterministic=True)
        # lerp alone may overshoot a bound by one rounding error.
        return torch.lerp(self.low, self.high, 0.5 * (torch.from_numpy(unit) + 1.0)).clamp(self.low, self.high)

    def describe(self) -> dict[str, Any]:
        """What `rebuild` needs besides the weights, JSON values."""
        return {
            "type": "stable-baselines3",
            "algorithm": self.algorithm,
            "feature_size": self.centre.shape[0],
            "action_size": self.low.shape[0],
            "policy_kwargs": self.policy_kwargs,
            "input": self.input,
        }

    @classmethod
    def rebuild(cls, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> StableBaselinesPolicy:
        """The policy with this description and these weights, bit for bit, for use alone."""
        low, high, centre, scale = (weights[name] for name in ("low", "high", "centre", "scale"))
        arguments = description["algorithm"], description["policy_kwargs"]
        with isolated_randomness():
            policy = cls(*arguments, low, high, centre, scale, description["input"])
        policy.load_state_dict(dict(weights))
        return policy.requires_grad_(False).eval()


class StableBaselines:
    """Learns a `StableBaselinesPolicy` with one algorithm in an `ImaginedEnv`.

    Args:
        dynamics: the model; an `ObservedDynamics` where the policy is to see beliefs.
        reward: of the imagined states.
        start_states: where episodes start.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings, the algorithm's name among them.
        seed: of the networks, the episodes and the exploration; no global randomness is touched.

    Raises:
        ValueError: no such algorithm, or none for continuous actions, or settings that it does not take.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        reward: Reward,
        start_states: StartStates,
        low: Tensor,
        high: Tensor,
        options: StableBaselinesOptions,
        seed: int = 0,
    ) -> None:
        self.options, self._seed = options, seed
        made: Callable[..., BaseAlgorithm] = algorithm_class(options.algorithm)
        imagination = Imagination(dynamics, start_states, options.input, options.drop)
        env = ImaginedEnv(
            imagination, reward, low, high, options.envs, options.length, options.discount, options.sane_radius, seed
        )
        settings = dict(options.settings)
        if options.action_noise:
            sigma = np.full(len(low), options.action_noise)
            settings["action_noise"] = NormalActionNoise(np.zeros(len(low)), sigma)
        network = {"net_arch": list(options.hidden)}
        with isolated_randomness():
            try:
                self._algorithm = made(
                    "MlpPolicy", env, gamma=options.discount, policy_kwargs=network, seed=seed, device="cpu", **settings
                )
            except (AssertionError, TypeError) as error:
                raise ValueError(f"{options.algorithm} cannot be used here: {error}") from error
        # Its own default writes into the system's temporary folder.
        self._algorithm.set_logger(Logger(folder=None, output_formats=[]))
        self._policy = StableBaselinesPolicy(
            options.algorithm,
            _described(self._algorithm.policy_kwargs),
            low,
            high,
            env.centre,
            env.scale,
            options.input,
            self._algorithm.policy,
        )

    @property
    def budget(self) -> int:
        """Imagined steps to take, of all episodes together."""
        return self.options.steps

    @property
    def policy(self) -> StableBaselinesPolicy:
        """The policy as it is now."""
        return self._policy

    def learn(self, on_progress: OnProgress | None = None) -> StableBaselinesPolicy:
        """Take all imagined steps; returns the policy."""
        with isolated_randomness():
            set_random_seed(self._seed)
            self._algorithm.learn(self.options.steps, callback=_Report(on_progress, self.options))
        return self._policy


def algorithm_class(name: str) -> type[BaseAlgorithm]:
    """The class in stable-baselines3 of that name.

    Raises:
        ValueError: there is none.
    """
    found = getattr(stable_baselines3, name, None)
    if isinstance(found, type) and issubclass(found, BaseAlgorithm):
        return found
    algorithms = [
        known
        for known, value in vars(stable_baselines3).items()
        if isinstance(value, type) and issubclass(value, BaseAlgorithm)
    ]
    raise ValueError(f"stable-baselines3 has no algorithm {name!r}; it has {', '.join(sorted(algorithms))}")


@contextmanager
def isolated_randomness() -> Iterator[None]:
    """stable-baselines3 seeds and draws from the global generators: put them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


class _Report(BaseCallback):
    """Tells how learning goes, between two imagined steps."""

    def __init__(self, on_progress: OnProgress | None, options: StableBaselinesOptions) -> None:
        super().__init__()
        self._tell, self._budget = on_progress, options.steps
        self._every = max(1, options.steps // (options.envs * REPORTS))

    def _on_step(self) -> bool:
        last = self.num_timesteps >= self._budget
        if self._tell is not None and (last or self.n_calls % self._every == 0):
            ended: Sequence[Mapping[str, Any]] = self.model.ep_info_buffer or ()
            figures = {
                "mean_return": safe_mean([episode["r"] for episode in ended]),
                "mean_length": safe_mean([episode["l"] for episode in ended]),
            }
            self._tell(min(self.num_timesteps, self._budget), figures)
        return True


def _described(policy_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that shape the network, as JSON values: what only the optimiser reads is left out."""
    return {key: value for key, value in policy_kwargs.items() if not key.startswith("optimizer_")}
