"""What every kind of goal must hold, whoever wrote it: one battery for all of `GOALS`, and for pictures.

The checks are functions of a kind, its keyword and a run, and a toy that is written here passes them like the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from latentrl.data_collection.storage import write
from latentrl.goals.base import Goal, WrittenGoal
from latentrl.goals.parsing import GOALS, goal_reward, parse_goal
from latentrl.goals.picture import ObservedGoals, PictureGoal
from latentrl.models.base import WorldModel
from latentrl.models.dks import DKS, DKSSettings
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.runs.velocity_range import VelocityRange, save_range
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Trajectory

SHAPE = (6, 6, 1)


@dataclass(frozen=True)
class OriginGoal(WrittenGoal):
    """A toy: the position that lies so far from the origin."""

    far: int
    is_position: ClassVar[bool] = True
    syntax: ClassVar[str] = "origin:FAR"

    @classmethod
    def parse(cls, rest: str) -> OriginGoal:
        return cls(int(rest))

    def __str__(self) -> str:
        return f"origin:{self.far}"

    def target(self, model: WorldModel, run: Path, data: Path | None) -> Tensor:
        return torch.full((model.position_size,), float(self.far))


KINDS = {**GOALS, "origin": OriginGoal}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(GOALS, "origin", OriginGoal)
    yield


SPEC = DataSpec(SHAPE, "uint8", 1, (2.0,))


@pytest.fixture(scope="module")
def model() -> WorldModel:
    """A model whose frames tell the position."""
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=3, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    return EKVAE(SPEC, settings).requires_grad_(False)


@pytest.fixture(scope="module")
def recurrent() -> WorldModel:
    """A model whose sequences tell it."""
    torch.manual_seed(0)
    return DKS(SPEC, DKSSettings(position_size=2, recurrent_hidden=8, prior_hidden=(4,))).requires_grad_(False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with what goals read, and the data it names."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    recorded = [
        Trajectory(rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8), rng.normal(size=(4, 1)).astype(np.float32))
        for _ in range(3)
    ]
    write(data, "train", recorded, {"action_low": [-4.0], "action_high": [4.0]})
    write_json(folder / "settings.json", {"options": {"data": str(data)}})
    save_range(VelocityRange(torch.tensor([0.5]), torch.tensor([4.0])), folder)
    return folder


def written(kind: type[WrittenGoal]) -> str:
    """A text of this kind: its syntax, with ones for the words that stand for numbers."""
    return re.sub("[A-Z]+", "1", kind.syntax)


def check_texts_round_trip(keyword: str, kind: type[WrittenGoal]) -> None:
    """Text to goal, to text, to the same goal; a text of its own tells the kind from others."""
    text = written(kind)
    assert text.partition(":")[0] == keyword, "the syntax begins with the keyword"
    goal = parse_goal(text)
    assert type(goal) is kind and parse_goal(str(goal)) == goal
    assert hash(goal) == hash(parse_goal(text)), "goals are keys of dictionaries"
    assert all(not isinstance(getattr(goal, field.name), str) for field in fields(goal)), "understood, not kept as text"  # type: ignore[arg-type]


def check_bad_texts_are_refused(keyword: str, kind: type[WrittenGoal]) -> None:
    """By the flag, the text and how goals are written, this kind's among them."""
    for text in (f"{keyword}:?", f"{keyword}:1:?", f"{keyword}:1:1:1:1"):
        with pytest.raises(UserError, match=re.escape(f"--goal {text}: ")) as caught:
            parse_goal(text)
        assert kind.syntax in str(caught.value)


def check_target(goal: Goal, model: WorldModel, run: Path) -> None:
    """One vector of the part of the state that the goal is in; none where the goal is not one."""
    if isinstance(goal, WrittenGoal) and not goal.is_single:
        with pytest.raises(UserError, match=f"--goal {goal}"):
            goal.target(model, run, None)
        return
    size = model.position_size if goal.is_position else model.latent_size - model.position_size
    target = goal.target(model, run, None)
    assert target.shape == ((size,) if goal.is_single else (len(target), size)) and bool(target.isfinite().all())
    reward = goal_reward(goal, model, run)
    assert isinstance(reward, PositionReward if goal.is_position else VelocityReward)
    torch.testing.assert_close(reward.goal, target)  # the last bits depend on whether gradients are kept


def check_velocities_need_their_own_dimensions(goal: Goal, model: WorldModel, run: Path) -> None:
    """A model without them cannot be asked for one."""
    if not goal.is_position:
        alone = EKVAE(model.spec, EKVAESettings(state_size=2, base_matrices=2, hidden=(4,), gate_hidden=(4,)))
        with pytest.raises(UserError, match=r"--goal: .* no velocity dimensions"):
            goal_reward(goal, alone, run)


@pytest.mark.parametrize(("keyword", "kind"), KINDS.items(), ids=KINDS)
def test_kind_of_goal(
    keyword: str, kind: type[WrittenGoal], model: WorldModel, recurrent: WorldModel, run: Path
) -> None:
    check_texts_round_trip(keyword, kind)
    check_bad_texts_are_refused(keyword, kind)
    goal = parse_goal(written(kind))
    for one in (model, recurrent):
        check_target(goal, one, run)
        check_velocities_need_their_own_dimensions(goal, one, run)


def test_pictures_are_what_other_texts_mean(model: WorldModel, run: Path) -> None:
    path = run / "goal.png"
    Image.new("L", SHAPE[:2], 99).save(path)
    goal = parse_goal(str(path))
    assert isinstance(goal, PictureGoal) and parse_goal(str(goal)) == goal
    check_target(goal, model, run)
    for keyword in GOALS:
        assert isinstance(parse_goal(f"{keyword}.png"), PictureGoal)


def test_observed_goals_are_one_for_each_episode(model: WorldModel, run: Path) -> None:
    seen = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    check_target(ObservedGoals(seen), model, run)
    assert len(ObservedGoals(seen).target(model, run, None)) == 4


@dataclass(frozen=True)
class Deaf(OriginGoal):
    """Takes any text."""

    @classmethod
    def parse(cls, rest: str) -> Deaf:
        return cls(1)


@dataclass(frozen=True)
class Unequal(OriginGoal):
    """Is written in another way than it is read."""

    def __str__(self) -> str:
        return f"origin:{self.far + 1}"


@dataclass(frozen=True)
class Lost(OriginGoal):
    """Says that it is a velocity and gives a position."""

    is_position: ClassVar[bool] = False


def test_the_checks_find_what_is_wrong(model: WorldModel, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GOALS, "origin", Deaf)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_bad_texts_are_refused("origin", Deaf)
    monkeypatch.setitem(GOALS, "origin", Unequal)
    with pytest.raises(AssertionError):
        check_texts_round_trip("origin", Unequal)
    with pytest.raises(AssertionError):
        check_target(Lost(1), model, run)
