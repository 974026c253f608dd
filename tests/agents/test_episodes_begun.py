"""Where imagined episodes begin, and what a rooted reward pays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentrl.agents.imagination import Imagination
from latentrl.agents.imagined_episodes import VISITED, ImaginedEpisodes
from latentrl.rewards.rooted import RootedReward
from tests.imagined import HIGH, LOW, Linear, quadratic, starts

COUNT = 50


def episodes(fresh: float, count: int = COUNT, sees: str = "mean") -> ImaginedEpisodes:
    imagination = Imagination(Linear(), starts, sees)  # type: ignore[arg-type]
    return ImaginedEpisodes(imagination, quadratic, LOW, HIGH, count, length=5, seed=1, fresh=fresh)


def stepped(made: ImaginedEpisodes, steps: int) -> Tensor:
    """The states that episodes came to, ``[steps N, Dz]``."""
    unit, states = torch.zeros(made.count, made.action_size), []
    for _ in range(steps):
        made.step(unit)
        states.append(made.state)
    return torch.cat(states)


def among(states: Tensor, others: Tensor) -> Tensor:
    """Which of ``states [N, Dz]`` are some of ``others [M, Dz]``, to the bit."""
    return (states[:, None] == others).all(-1).any(-1)


def test_a_share_of_the_episodes_begins_where_earlier_ones_came_to() -> None:
    made = episodes(fresh=0.25)
    visited, again = stepped(made, 4), []
    for _ in range(40):
        made.restart(torch.ones(COUNT, dtype=torch.bool))
        again.append(among(made.state, visited))
    share = torch.cat(again).double().mean()
    assert share == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / (40 * COUNT)) ** 0.5)


def test_only_those_that_ended_begin_anew() -> None:
    made = episodes(fresh=0.25)
    visited, before = stepped(made, 3), made.state
    ended = torch.arange(COUNT) % 2 == 0
    made.restart(ended)
    assert made.state[~ended].equal(before[~ended])
    assert not among(made.state[ended], before[ended]).all() and among(made.state[ended], visited).any()
    assert made.age[ended].eq(0).all() and made.age[~ended].eq(3).all()


def test_all_are_fresh_unless_said_otherwise_and_draw_the_same_numbers() -> None:
    made, twin = episodes(fresh=1.0), torch.Generator().manual_seed(5)
    stepped(made, 2)
    made.generator.manual_seed(5)
    made.restart(torch.ones(COUNT, dtype=torch.bool))
    assert made.state.equal(starts(COUNT, twin))


def test_a_start_forgets_where_episodes_came_to() -> None:
    made = episodes(fresh=0.01)
    visited = stepped(made, 3)
    made.start()
    made.restart(torch.ones(COUNT, dtype=torch.bool))
    assert not among(made.state, visited).any()


def test_the_oldest_are_forgotten_and_the_same_seed_begins_alike() -> None:
    count = 5000
    made, twin = episodes(0.01, count), episodes(0.01, count)
    old, late = stepped(made, 2), stepped(made, VISITED // count + 1)
    stepped(twin, 2 + VISITED // count + 1)
    for one in (made, twin):
        one.restart(torch.ones(count, dtype=torch.bool))
    assert made.state.equal(twin.state)
    begun = made.state[:200]
    assert not among(begun, old).any() and among(begun, late).double().mean() > 0.9


def test_beliefs_begin_with_the_first_observation_of_where_they_begin() -> None:
    made = episodes(fresh=0.01, sees="belief")
    stepped(made, 3)
    seen = made.restart(torch.ones(COUNT, dtype=torch.bool))
    assert seen.isfinite().all() and seen.shape == (COUNT, made.feature_size)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"fresh must lie in \(0, 1\]"):
        episodes(fresh=share)


def test_a_rooted_reward_pays_the_distance() -> None:
    state, goal = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.3, -0.4]]), torch.zeros(2)
    rooted = RootedReward(lambda s, a: -(s - goal).square().sum(-1))
    torch.testing.assert_close(rooted(state, torch.zeros(3, 1)), torch.tensor([-5.0, 0.0, -0.5]))
    gain = RootedReward(lambda s, a: s[..., 0])
    torch.testing.assert_close(gain(torch.tensor([[4.0], [-9.0]]), torch.zeros(2, 1)), torch.tensor([2.0, -3.0]))
