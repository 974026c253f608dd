"""Model-free algorithms of stable-baselines3, run inside the imagination.

Import this module only where stable-baselines3 is asked for: it is an optional extra. Nothing it writes is a pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.utils import safe_mean, set_random_seed
from torch import Tensor

from latentrl.agents.imagination import Imagination, StartStates
from latentrl.agents.imagined_env import ImaginedEnv
from latentrl.agents.imagined_episodes import ImaginedEpisodes
from latentrl.agents.policies.progress import OnProgress
from latentrl.agents.policies.stable_baselines_options import StableBaselinesOptions
from latentrl.agents.policies.stable_baselines_policy import StableBaselinesPolicy, algorithm_class, isolated_randomness
from latentrl.rewards.rooted import RootedReward
from latentrl.types import Dynamics, Reward

REPORTS = 500
"""How often progress is reported, at most."""


class StableBaselines:
    """Learns a `StableBaselinesPolicy` with one algorithm in an `ImaginedEnv`.

    Args:
        dynamics: the model; an `ObservedDynamics` where the policy is to see beliefs, a `GoalConditioned` one for a
            policy for any goal.
        reward: of the imagined states.
        start_states: where episodes start.
        low: smallest action ``[Du]``, in the environment's units.
        high: largest action ``[Du]``.
        options: settings, the algorithm's name among them.
        seed: of the networks, the episodes and the exploration; no global randomness is touched.

    Raises:
        ValueError: no such algorithm, or none for continuous actions, or settings that it does not take.
    """

    options: StableBaselinesOptions

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
        episodes = ImaginedEpisodes(
            imagination,
            RootedReward(reward) if options.rooted else reward,
            low,
            high,
            options.envs,
            options.length,
            options.discount,
            options.sane_radius,
            seed,
            options.fresh,
        )
        env = ImaginedEnv(episodes)
        settings = dict(options.settings)
        if options.action_noise:
            sigma = np.full(len(low), options.action_noise)
            settings["action_noise"] = NormalActionNoise(np.zeros(len(low)), sigma)
        if options.target_entropy is not None:
            settings["target_entropy"] = options.target_entropy * len(low)
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
            episodes.centre,
            episodes.scale,
            options.input,
            self._algorithm.policy,
            imagination.goal_size,
        )

    @property
    def budget(self) -> int:
        """Imagined steps to take, of all episodes together."""
        return self.options.steps

    @property
    def policy(self) -> StableBaselinesPolicy:
        """The policy as it is now."""
        return self._policy

    @property
    def returns(self) -> tuple[float, ...]:
        """None: stable-baselines3 learns for as long as it is told to."""
        return ()

    def learn(self, on_progress: OnProgress | None = None) -> StableBaselinesPolicy:
        """Take all imagined steps; returns the policy."""
        with isolated_randomness():
            set_random_seed(self._seed)
            self._algorithm.learn(self.options.steps, callback=_Report(on_progress, self.options))
        return self._policy


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
