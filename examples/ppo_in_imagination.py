"""PPO in one file learns a swing-up inside a model, then acts in the real pendulum.

    python examples/ppo_in_imagination.py --seed 0

Proximal policy optimisation (Schulman et al., 2017) as in any other vector environment of Gymnasium; of this package
are two lines to imagine, and one that makes an agent of what was learned. Nothing real is touched before it is judged.
"""

import argparse
import math
import time
from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from latentrl import LatentAgent
from latentrl.adapters import ImaginedVectorEnv, load_imagination


def network(inputs: int, outputs: int, last: float) -> nn.Sequential:
    """Two hidden layers, orthogonal weights."""
    layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
    for layer, gain in zip(layers, (math.sqrt(2), math.sqrt(2), last), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class ActorCritic(nn.Module):
    """A Gaussian policy and a value."""

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.mean, self.critic = network(inputs, actions, 0.01), network(inputs, 1, 1.0)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def actions(self, observation: Tensor) -> torch.distributions.Independent:
        normal = torch.distributions.Normal(self.mean(observation), self.log_std.exp())
        return torch.distributions.Independent(normal, 1)

    def value(self, observation: Tensor) -> Tensor:
        return self.critic(observation)[..., 0]


def collect(
    envs: ImaginedVectorEnv, model: ActorCritic, observation: Tensor, options: argparse.Namespace
) -> tuple[list[Tensor], Tensor]:
    """Observations, actions, log-probabilities, advantages and returns, each ``[steps * N, ...]``; the observation."""
    stores: list[list[Tensor]] = [[], [], [], [], [], []]
    seen, taken, logs, values, rewards, ends = stores
    for _ in range(options.rollout):
        policy = model.actions(observation)
        action = policy.sample()
        following, reward, terminated, truncated, info = envs.step(action.numpy())
        paid = torch.from_numpy(reward)
        if (
            truncated.any()
        ):  # an episode that was cut goes on beyond the cut: its last observation tells what it is worth
            last = torch.from_numpy(np.stack(info["final_obs"][truncated]))
            paid[torch.from_numpy(truncated)] += options.discount * model.value(last)
        over = torch.from_numpy(terminated | truncated)
        step = (observation, action, policy.log_prob(action), model.value(observation), paid, over)
        for store, value in zip(stores, step, strict=True):
            store.append(value)
        observation = torch.from_numpy(following)
    advantages: list[Tensor] = []
    carried, following_value = torch.zeros(envs.num_envs), model.value(observation)
    for value, paid, end in zip(values[::-1], rewards[::-1], ends[::-1], strict=True):
        goes_on = (~end).float()
        error = paid + options.discount * goes_on * following_value - value
        carried = error + options.discount * options.trace * goes_on * carried
        advantages.insert(0, carried)
        following_value = value
    advantage = torch.cat(advantages)
    batch = [torch.cat(seen), torch.cat(taken), torch.cat(logs), advantage, advantage + torch.cat(values)]
    return batch, observation


def update(
    model: ActorCritic, optimiser: torch.optim.Optimizer, batch: list[Tensor], options: argparse.Namespace
) -> None:
    """The clipped objective, a few times over the batch."""
    for _ in range(options.epochs):
        for index in torch.randperm(len(batch[0])).split(options.minibatch):
            observation, action, log, advantage, target = (part[index] for part in batch)
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            ratio = (model.actions(observation).log_prob(action) - log).exp()
            clipped = ratio.clamp(1 - options.clip, 1 + options.clip)
            loss = -torch.minimum(ratio * advantage, clipped * advantage).mean()
            loss = loss + 0.5 * (model.value(observation) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimiser.step()


def judge(agent: LatentAgent, torque: float, episodes: int, seed: int) -> int:
    """Real episodes in which the pendulum swings up from hanging, and stays within 0.2 rad for the last 5 of 20 s."""
    pendulums = gymnasium.make_vec(
        "latentrl.envs:latentrl/Pendulum-v0", episodes, "vector_entry_point", torque_limit=torque
    )
    picture, _ = pendulums.reset(seed=1000 + seed, options={"angle": math.pi, "velocity": 0.0})
    angles = []
    for _ in range(200):
        picture, *_, info = pendulums.step(agent.act(picture))
        angles.append(np.abs(info["angle"]))
    return int((np.array(angles[-50:]) < 0.2).all(0).sum())


def main(arguments: Sequence[str] | None = None) -> None:
    """Imagine, learn, act."""
    parser = argparse.ArgumentParser(description="PPO in the imagination of a run.")
    parser.add_argument("--run", default="zoo:pendulum")
    parser.add_argument("--steps", type=int, default=600_000, help="imagined, of all episodes together")
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--rollout", type=int, default=16, help="steps between two rounds of updates")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--minibatch", type=int, default=1024)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--discount", type=float, default=0.98)
    parser.add_argument("--trace", type=float, default=0.95, help="lambda of the advantages")
    parser.add_argument("--clip", type=float, default=0.2)
    parser.add_argument("--episodes", type=int, default=50, help="real ones, to judge by")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    torch.manual_seed(options.seed)
    begun = time.process_time()
    dream = load_imagination(options.run)
    episodes = dream.episodes(options.envs, discount=options.discount, seed=options.seed)
    envs = ImaginedVectorEnv(episodes, autoreset_mode="SameStep")
    model = ActorCritic(episodes.feature_size, episodes.action_size)
    optimiser = torch.optim.Adam(model.parameters(), options.learning_rate, eps=1e-5)
    observation = torch.from_numpy(envs.reset()[0])
    for _ in range(max(1, options.steps // (options.envs * options.rollout))):
        with torch.no_grad():
            batch, observation = collect(envs, model, observation, options)
        update(model, optimiser, batch, options)
    learned = time.process_time() - begun

    up = judge(dream.agent(episodes, model.mean), dream.bounds.high.item(), options.episodes, options.seed)
    print(f"seed {options.seed}: {up} of {options.episodes} swing-ups; {learned:.0f} s of processor time to learn")


if __name__ == "__main__":
    main()
