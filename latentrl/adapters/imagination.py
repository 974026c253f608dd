"""A run's model as a problem to learn in, in one call: what the environments of the other adapters are made of."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from latentrl.agents import LatentAgent, PolicyController
from latentrl.agents.bounds import ActionBounds
from latentrl.agents.imagination import Imagination, PolicyInput
from latentrl.agents.imagined_episodes import Actor, ImaginedEpisodes
from latentrl.goals.distances import EUCLID, check_distance
from latentrl.goals.imagining import imagined_by, problem_of
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.models.base import WorldModel
from latentrl.rewards.position import PositionReward
from latentrl.rewards.rooted import RootedReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.runs.folder import goal_of, load_model, load_settings, without_goal
from latentrl.shipped.copies import readable
from latentrl.support.devices import usable_device
from latentrl.support.errors import UserError
from latentrl.types import Reward


@dataclass(frozen=True)
class RunImagination:
    """A run's model, and what is to be reached in it.

    Attributes:
        run: the run folder.
        model: filters what is really observed.
        imagination: starts and steps what is imagined.
        reward: of the imagined states.
        bounds: of the actions, in the environment's units.
    """

    run: Path
    model: WorldModel
    imagination: Imagination
    reward: Reward
    bounds: ActionBounds

    def episodes(
        self,
        count: int,
        length: int = 30,
        discount: float = 0.98,
        sane_radius: float = 20.0,
        seed: int = 0,
        fresh: float = 1.0,
        rooted: bool = False,
    ) -> ImaginedEpisodes:
        """``count`` episodes of ``length`` steps: give them to one environment.

        Args:
            count: N.
            length: steps to truncation.
            discount: the algorithm's, per step; it says how bad breaking the model is.
            sane_radius: how many standard deviations of typical states from their mean do not break the model.
            seed: of everything drawn.
            fresh: share of the episodes begun anew that begin in start states; the others begin where earlier ones
                came to.
            rooted: the reward is minus the distance to the goal, not its square (see `RootedReward`).

        Raises:
            UserError: a count or a length below 1, a discount outside of [0, 1), a share outside of (0, 1], a radius
                that is not positive, or a model that is not trained.
        """
        if not 0.0 <= discount < 1.0:
            raise UserError(f"discount {discount}: give a number of at least 0 and below 1")
        if not 0.0 < sane_radius < float("inf"):
            raise UserError(f"sane_radius {sane_radius}: give a positive number of standard deviations")
        low, high = self.bounds.low, self.bounds.high
        reward = RootedReward(self.reward) if rooted else self.reward
        try:
            return ImaginedEpisodes(
                self.imagination, reward, low, high, count, length, discount, sane_radius, seed, fresh
            )
        except ValueError as error:
            raise UserError(f"{self.run}: {error}") from error

    def agent(self, episodes: ImaginedEpisodes, actor: Actor, goal: str | Path | None = None) -> LatentAgent:
        """What has learned in ``episodes``, as an agent that acts on real observations.

        Args:
            episodes: of this imagination; they know how observations were normalised.
            actor: from normalised features ``[N, F]`` to actions ``[N, Du]``, cut to [-1, 1]. Without exploration: the
                mean of a Gaussian policy, not a sample.
            goal: where to, for what has learned to reach any goal; else None.

        Raises:
            UserError: a goal where there is one already, none where there is not, or one that does not fit the model.
        """
        target = None
        if self.imagination.goal_size:
            if goal is None:
                raise UserError("goal: what was learned reaches any; say which one")
            target = goal_reward(parse_goal(str(goal)), self.model, self.run).goal.to(episodes.device)
        elif goal is not None:
            raise UserError(f"goal {goal}: what was learned has a goal already; leave it out, or imagine with goal any")
        agent = LatentAgent(self.model, PolicyController(episodes.policy(actor), target), episodes.device)
        agent.reset()
        return agent


def load_imagination(
    run: str | Path,
    goal: str | Path | None = None,
    *,
    input: PolicyInput = "mean",
    drop: float = 0.0,
    action_limit: float | None = None,
    distance: str = EUCLID,
    device: torch.device | str = "cpu",
    data: str | Path | None = None,
) -> RunImagination:
    """The imagination of a run, as ``latentrl learn`` has it.

        dream = load_imagination("runs/mine")
        envs = ImaginedVectorEnv(dream.episodes(64))

    Args:
        run: the run folder of a trained model, or ``zoo:NAME`` for one that comes with the package.
        goal: what ``--goal`` takes, ``any`` included. None: what came with the run's data.
        input: what of a belief is observed: its mean, or the logarithms of its standard deviations too.
        drop: with the input ``"belief"``, the probability that an imagined observation never arrives.
        action_limit: the largest action to both sides, in the environment's units. None: the task's, else as recorded.
        distance: how far a position is from the goal: ``"euclid"``, ``"geodesic"`` or ``"flat"``.
        device: where the episodes are imagined.
        data: the run's data folder, if it is no longer where the training found it.

    Raises:
        UserError: no such run, a goal, an input or a limit that does not fit it, or no such device.
    """
    folder = readable(run)
    check_distance(distance)
    settings = load_settings(folder)
    model = load_model(folder, settings=settings).requires_grad_(False)
    known = data if data is not None else (settings.get("options") or {}).get("data")
    place = None if known is None else Path(known)
    if goal is None:
        goal = goal_of(folder, place)
        if goal is None:
            raise UserError(f"goal: {without_goal(place)}; give a picture or readings of the goal")
    limit = None if action_limit is not None else model.largest_actions
    bounds = ActionBounds.of(settings.get("data") or {}, model.spec.action_size, action_limit).up_to(limit)
    wanted = parse_goal(str(goal))
    dynamics, start_states, reward, _ = problem_of(wanted, model, folder, input, distance, place)
    there = _device(device, distance)
    if there.type != "cpu":  # only now, for a goal is encoded on the processor
        model, reward = model.to(there), _moved(reward, there)
        dynamics, start_states = imagined_by(model, wanted, input)
        bounds = ActionBounds(bounds.low.to(there), bounds.high.to(there))
    try:
        imagination = Imagination(dynamics, start_states, input, drop)
    except ValueError as error:
        raise UserError(f"input {input!r}, drop {drop}: {error}") from error
    return RunImagination(folder, model, imagination, reward, bounds)


def _device(device: torch.device | str, distance: str) -> torch.device:
    found = usable_device(device)
    if found.type != "cpu" and distance != EUCLID:
        raise UserError(f"device {device}: the distance {distance} is measured on the processor; leave one of them out")
    return found


def _moved(reward: Reward, device: torch.device) -> Reward:
    """The same reward where the states are."""
    moved = copy.copy(reward)
    if isinstance(moved, PositionReward | VelocityReward):
        moved.goal = moved.goal.to(device)
    return moved
