"""TorchRL's own PPO learns a swing-up inside a model, then acts in the real pendulum.

pip install 'latentrl[torchrl]'
python examples/torchrl_in_imagination.py --seed 0
"""

import argparse
import math
import time

import gymnasium
import numpy as np
import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.modules import IndependentNormal, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from latentrl.adapters import load_imagination
from latentrl.adapters.torchrl_env import ImaginedTorchRLEnv

ENVS, ROLLOUT, EPOCHS, MINIBATCH, EPISODES = 256, 16, 5, 1024, 50


class Gaussian(nn.Module):
    """Mean and standard deviation of an action."""

    def __init__(self, mean: nn.Module, actions: int) -> None:
        super().__init__()
        self.mean, self.log_std = mean, nn.Parameter(torch.zeros(actions))

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.mean(observation)
        return mean, self.log_std.exp().expand_as(mean)


def network(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))


parser = argparse.ArgumentParser(description="TorchRL's PPO in the imagination of a run.")
parser.add_argument("--run", default="zoo:pendulum")
parser.add_argument("--steps", type=int, default=600_000, help="imagined, of all episodes together")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
torch.manual_seed(options.seed)
begun = time.process_time()

dream = load_imagination(options.run)
episodes = dream.episodes(ENVS, seed=options.seed)
env = ImaginedTorchRLEnv(episodes)
mean = network(episodes.feature_size, episodes.action_size)
nn.init.zeros_(list(mean.parameters())[-2])  # the last layer's weights
policy = TensorDictModule(Gaussian(mean, episodes.action_size), ["observation"], ["loc", "scale"])
actor = ProbabilisticActor(
    policy, in_keys=["loc", "scale"], distribution_class=IndependentNormal, return_log_prob=True, spec=env.action_spec
)
critic = ValueOperator(network(episodes.feature_size, 1), ["observation"])
advantage = GAE(gamma=episodes.discount, lmbda=0.95, value_network=critic)
objective = ClipPPOLoss(actor, critic, clip_epsilon=0.2, entropy_bonus=False, normalize_advantage=True)
optimiser = torch.optim.Adam(objective.parameters(), 1e-3, eps=1e-5)

rounds = max(1, options.steps // (ENVS * ROLLOUT))
collector = Collector(
    env,
    actor,
    frames_per_batch=ENVS * ROLLOUT,
    total_frames=rounds * ENVS * ROLLOUT,
    auto_register_policy_transforms=False,
)
for data in collector:
    for _ in range(EPOCHS):
        with torch.no_grad():
            advantage(data)
        flat = data.reshape(-1)
        for index in torch.randperm(len(flat)).split(MINIBATCH):
            losses = objective(flat[index])
            optimiser.zero_grad()
            (losses["loss_objective"] + losses["loss_critic"]).backward()
            nn.utils.clip_grad_norm_(objective.parameters(), 0.5)
            optimiser.step()
learned = time.process_time() - begun

agent = dream.agent(episodes, mean)
real = gymnasium.make_vec(
    "latentrl.envs:latentrl/Pendulum-v0", EPISODES, "vector_entry_point", torque_limit=dream.bounds.high.item()
)
picture = real.reset(seed=1000 + options.seed, options={"angle": math.pi, "velocity": 0.0})[0]
angles = []
for _ in range(200):
    picture, *rest, truth = real.step(agent.act(picture))
    angles.append(np.abs(truth["angle"]))
up = (np.array(angles[-50:]) < 0.2).all(0).sum()
print(f"seed {options.seed}: {up} of {EPISODES} swing-ups; {learned:.0f} s of processor time to learn")
