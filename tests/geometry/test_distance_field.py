from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentrl.agents.planners import CEM, ILQR, CEMOptions, ILQROptions
from latentrl.geometry.distance_field import FLAT, GeodesicDistance, GeodesicField, spread_out
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.rewards.position import PositionReward
from tests.surfaces import sphere, sphere_distance

GAP = 0.1 * math.pi
"""Half of what the ring lacks, in radians."""


def on_ring(angle: Tensor | float, radius: Tensor | float = 1.0) -> Tensor:
    angle = torch.as_tensor(angle)
    return torch.stack((radius * angle.cos(), radius * angle.sin()), -1)


def c_shape(count: int = 600) -> Tensor:
    """Points of a broad ring with a gap around angle zero, evenly spread: where the data lies."""
    g = torch.Generator().manual_seed(0)
    angle = GAP + (2 * math.pi - 2 * GAP) * torch.rand(count, generator=g)
    return on_ring(angle, 0.8 + 0.4 * torch.rand(count, generator=g))


def square(count: int = 600, seed: int = 0) -> Tensor:
    return 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture(scope="module")
def bent() -> GeodesicField:
    """Of the C, seen as it is: the gap is in the data alone, no metric tells of it."""
    return GeodesicField.of(lambda z: z, c_shape())


@pytest.fixture(scope="module")
def flat() -> GeodesicField:
    """Of a square, seen ten times as large."""
    return GeodesicField.of(lambda z: 10 * z, square())


def test_in_a_flat_space_it_is_the_euclidean_distance(flat: GeodesicField) -> None:
    """But for a path's corners, a few per cent; in latent units, whatever those of the observations are."""
    goal, places = torch.tensor([0.5, 0.4]), square(500, 1)
    ratio = flat.to(goal).squared(places).sqrt() / (places - goal).norm(dim=-1)
    assert 0.99 < float(ratio.min()) and float(ratio.median()) < 1.05 and float(ratio.max()) < 1.15


def test_it_is_that_of_a_sphere_where_the_chart_stretches() -> None:
    nodes = torch.tensor([0.6, 0.0]) + torch.rand(800, 2, generator=torch.Generator().manual_seed(0)) * 2
    field = GeodesicField.of(sphere, nodes)
    goal, places = torch.tensor([1.2, 0.5]), nodes[::9]
    exact = sphere_distance(places, goal.expand_as(places)) / field.scale
    found = field.to(goal).squared(places).sqrt()
    ratio = (found / exact)[exact > 0.3]
    assert (
        0.93 < float(ratio.min())
        and float(ratio.max()) < 1.15
        and float(ratio.median()) == pytest.approx(1.03, abs=0.05)
    )


def test_it_leads_around_the_gap_where_the_straight_line_crosses_it(bent: GeodesicField) -> None:
    goal = on_ring(GAP + 0.1)
    distance = bent.to(goal)
    angles = torch.linspace(GAP + 0.2, 2 * math.pi - GAP, 40)
    found = distance.squared(on_ring(angles)).sqrt()
    assert (found.diff() > 0).all(), "the further around, the further away"
    # Along the inner edge, which is a fifth shorter than the middle.
    assert 0.8 < float(found[-1] / (angles[-1] - GAP - 0.1)) < 1.0
    assert float((on_ring(angles[-1]) - goal).norm()) < 0.8, "as the crow flies it is near"


def test_only_the_goal_is_no_way_from_the_goal(bent: GeodesicField, flat: GeodesicField) -> None:
    for field, goal, nodes in ((bent, on_ring(2.0), c_shape()), (flat, torch.tensor([0.9, -0.9]), square())):
        place = goal.clone().requires_grad_()
        value = field.to(goal).squared(place)
        (slope,) = torch.autograd.grad(value, place)
        assert float(value.detach()) < 1e-5 and float(slope.norm()) < 1e-2
        far = (nodes - goal).norm(dim=-1) > 0.05
        assert float(field.to(goal).squared(nodes[far]).min()) > 5e-4


def test_near_the_goal_it_is_the_goal_s_own_metric() -> None:
    field = GeodesicField.of(lambda z: z * torch.tensor([3.0, 1.0]), square())
    goal = torch.tensor([0.2, 0.1])
    # c^2 = (9 + 1) / 2
    exact = (1 - FLAT) * torch.tensor([9.0, 1.0]) / 5 + FLAT
    moved = 0.02 * torch.eye(2)
    torch.testing.assert_close(field.to(goal).squared(goal + moved), 4e-4 * exact, rtol=0.02, atol=0)


def test_it_is_smooth_and_its_gradients_are_finite_differences(bent: GeodesicField) -> None:
    distance = bent.to(on_ring(2.0))
    places = on_ring(torch.linspace(0.5, 5.5, 7)).requires_grad_()
    value = distance.squared(places)
    (slope,) = torch.autograd.grad(value.sum(), places, create_graph=True)
    step = 1e-2
    for axis in range(2):
        moved = step * torch.eye(2)[axis]
        with torch.no_grad():
            expected = (distance.squared(places + moved) - distance.squared(places - moved)) / (2 * step)
        torch.testing.assert_close(slope[:, axis], expected, rtol=0.02, atol=0.02)
    (curvature,) = torch.autograd.grad(slope.sum(), places)
    assert curvature.isfinite().all() and curvature.abs().max() > 0.1


def test_it_is_told_everywhere_and_downhill_leads_back(bent: GeodesicField) -> None:
    """Plans wander off the data: far away the nearest centre tells."""
    far = on_ring(torch.linspace(0, 6, 9), 1e3).requires_grad_()
    value = bent.to(on_ring(2.0)).squared(far)
    (slope,) = torch.autograd.grad(value.sum(), far)
    assert value.isfinite().all() and ((slope * far).sum(-1) > 0).all()


def test_a_goal_for_each_episode_is_that_goal_alone(bent: GeodesicField) -> None:
    goals, places = on_ring(torch.tensor([1.0, 3.0, 5.0])), on_ring(torch.rand(4, 3, 7) * 6)
    together = bent.to(goals)
    found = together.squared(places)
    assert found.shape == (4, 3, 7)
    for index, goal in enumerate(goals):
        torch.testing.assert_close(found[:, index], bent.to(goal).squared(places[:, index]), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(
            together.only(index).squared(places[:, index : index + 1]), found[:, index : index + 1]
        )


def test_many_positions_at_once_are_told_as_few_are(bent: GeodesicField, monkeypatch: pytest.MonkeyPatch) -> None:
    distance, places = bent.to(on_ring(2.0)), on_ring(torch.rand(50) * 6)
    whole = distance.squared(places)
    monkeypatch.setattr("latentrl.geometry.distance_field.AT_ONCE", 7)
    torch.testing.assert_close(distance.squared(places), whole)


def test_what_is_stored_tells_the_same(bent: GeodesicField) -> None:
    again = GeodesicField.from_tensors(bent.tensors(), bent.decoder)
    places = on_ring(torch.rand(50) * 6)
    assert torch.equal(again.to(on_ring(2.0)).squared(places), bent.to(on_ring(2.0)).squared(places))


def test_where_the_decoder_tells_nothing_apart_there_is_still_a_way_down() -> None:
    field = GeodesicField.of(lambda z: z.clamp(min=0), square())
    places = torch.tensor([[-0.9, -0.9], [-0.5, -0.8]]).requires_grad_()
    (slope,) = torch.autograd.grad(field.to(torch.tensor([0.5, 0.5])).squared(places).sum(), places)
    assert (slope.norm(dim=-1) > 0.05).all() and (slope.sum(-1) < 0).all()


@pytest.mark.parametrize(
    ("nodes", "scale", "words"),
    [
        (torch.zeros(5, 2), 1.0, "two distinct positions"),
        (torch.full((5, 2), torch.nan), 1.0, "two distinct positions"),
        (square(9), 0.0, "the same for every position"),
    ],
    ids=["one", "nan", "blind"],
)
def test_what_tells_no_distance_is_refused(nodes: Tensor, scale: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GeodesicField.of(lambda z: scale * z, nodes)


def test_goals_that_are_none_are_refused(bent: GeodesicField) -> None:
    for goal in (torch.zeros(3), torch.tensor([0.0, torch.inf])):
        with pytest.raises(ValueError, match="goals are finite points"):
            bent.to(goal)


def test_centres_are_far_from_each_other() -> None:
    line = torch.linspace(0, 1, 101).unsqueeze(1)
    assert line[spread_out(line, 5)].flatten().sort().values.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert sorted(spread_out(line, 500).tolist()) == list(range(101))


# -- control -----------------------------------------------------------------------------------------------------------


class Free:
    """A point that is pushed about, ``[..., 2]`` by ``[..., 2]``."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        mean = state + 0.15 * action
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-6))


class Wall:
    """A point that is pushed about within the C, and can leave it nowhere: ``[..., 2]``, by ``[..., 2]``."""

    def transition(self, state: Tensor, action: Tensor) -> DiagonalGaussian:
        moved = state + 0.15 * action
        # Angles from the side opposite of the gap, where there is no seam.
        turn = torch.atan2(state[..., 1], -state[..., 0])
        turned = torch.atan2(moved[..., 1], -moved[..., 0]) - turn
        turned = torch.atan2(turned.sin(), turned.cos())
        angle = (turn + turned).clamp(GAP - math.pi, math.pi - GAP)
        radius = moved.norm(dim=-1).clamp(0.8, 1.2)
        mean = torch.stack((-radius * angle.cos(), radius * angle.sin()), -1)
        return DiagonalGaussian(mean, torch.full_like(mean, 1e-6))


def ends_at(reward: PositionReward, start: Tensor, steps: int) -> Tensor:
    """Where model predictive control by CEM is after so many steps."""
    limit = torch.ones(2)
    planner = CEM(-limit, limit, CEMOptions(horizon=8, samples=64, iterations=3, elites=8))
    dynamics, state, plan = Wall(), start[None], None
    g = torch.Generator().manual_seed(0)
    for _ in range(steps):
        plan = planner.plan(dynamics, reward, state, plan, g)
        state = dynamics.transition(state, plan[:, 0]).mean
        plan = torch.cat((plan[:, 1:], plan[:, -1:]), 1)
    return state[0]


def test_where_the_chord_is_wrong_geodesic_plans_arrive_and_euclidean_ones_are_stuck(bent: GeodesicField) -> None:
    """On the other side of the gap, which the dynamics cannot cross and only the data tells of."""
    start, goal = on_ring(2 * math.pi - GAP - 0.05), on_ring(GAP + 0.05)
    stuck = ends_at(PositionReward(goal), start, 45)
    arrived = ends_at(PositionReward(goal, distance=bent.to(goal)), start, 45)
    assert float((stuck - start).norm()) < 0.4 and float((stuck - goal).norm()) > 0.4
    assert float((arrived - goal).norm()) < 0.1


def test_second_order_planners_follow_it_too(bent: GeodesicField) -> None:
    goal = on_ring(2.2)
    reward, limit = PositionReward(goal, distance=bent.to(goal)), torch.ones(2)
    planner = ILQR(-limit, limit, ILQROptions(horizon=12))
    start = on_ring(torch.tensor([1.0]))
    state = start
    for action in planner.plan(Free(), reward, start)[0]:
        state = Free().transition(state, action[None]).mean
    assert float((state[0] - goal).norm()) < 0.1


def test_its_cost_is_bounded(bent: GeodesicField) -> None:
    """What a plan asks in one go is a few numbers for each centre, whatever the number of nodes."""
    distance = bent.to(on_ring(2.0))
    assert isinstance(distance, GeodesicDistance)
    sizes = [one.numel() for one in vars(distance).values() if isinstance(one, Tensor)]
    assert max(sizes) <= 40 * 6 < len(bent.graph.nodes)


@pytest.mark.parametrize(
    "damage",
    [
        {"centres": torch.tensor([10**6])},
        {"centres": torch.tensor([-1])},
        {"centres": torch.tensor([0.5])},
        {"centres": torch.zeros(0, dtype=torch.int64)},
        {"scale": torch.tensor(-1.0)},
        "lengths below zero",
        "lengths that are no numbers",
    ],
    ids=str,
)
def test_what_no_field_has_stored_is_refused(bent: GeodesicField, damage: dict[str, Tensor] | str) -> None:
    stored = bent.tensors()
    if isinstance(damage, str):
        damage = {"lengths": -stored["lengths"] if "zero" in damage else stored["lengths"] * torch.nan}
    with pytest.raises(ValueError, match=r"."):
        GeodesicField.from_tensors({**stored, **damage}, bent.decoder)
