"""Goals that look like nothing that was trained on are told, by every verb that takes one; others are not spoken of."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from latentrl.agents.options import LearnOptions
from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.compare import compare
from latentrl.evaluate import evaluate
from latentrl.evaluation.loading import load_agent
from latentrl.evaluation.options import CompareOptions, EvaluateOptions
from latentrl.goals.base import Goal
from latentrl.goals.doubts import DOUBTS, REDRAWN, doubts
from latentrl.goals.parsing import parse_goal
from latentrl.learn import learn
from latentrl.metrics.held_out import held_out_figures
from latentrl.models import build
from latentrl.models.base import WorldModel
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.numerics.distributions import DiagonalGaussian
from latentrl.runs.folder import SETTINGS, load_model
from latentrl.runs.reach import REACH
from latentrl.support.files import write_json
from latentrl.types import Sequences


class Square(EKVAE):
    """Positions are the readings themselves, between -1 and 1: nothing else can be drawn."""

    def encode(self, observations: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(observations.clamp(-1, 1), torch.ones_like(observations))

    def _decode(self, positions: Tensor) -> tuple[Tensor]:
        return (positions,)


def _square() -> Square:
    return Square(DataSpec((2,), "float32", 1, (1.0,)), EKVAESettings(state_size=3, position_size=2)).eval()


def _run(folder: Path, worst: float | None) -> Path:
    if not (folder / SETTINGS).exists():
        write_json(folder / SETTINGS, {})
    (folder / "metrics.json").write_text(json.dumps({} if worst is None else {REDRAWN: worst}))
    return folder


def _said(folder: Path, readings: list[float], worst: float | None = 0.1) -> list[str]:
    path = folder / "goal.json"
    path.write_text(json.dumps(readings))
    return doubts(parse_goal(str(path)), _square(), _run(folder, worst))


def test_a_goal_beyond_the_data_is_drawn_worse_than_any_of_it(tmp_path: Path) -> None:
    assert not _said(tmp_path, [0.3, -0.9]) and not _said(tmp_path, [1.15, 1.15])
    (said,) = _said(tmp_path, [1.0, 3.0])
    assert "off by 1.4 (root mean square), held-out readings by 0.1 at most" in said and "goal.json" in said


def test_readings_beyond_what_the_data_reach_are_named_in_any_model(tmp_path: Path) -> None:
    """The range tells it before a drawing does, and where none can be drawn."""
    write_json(tmp_path / SETTINGS, {REACH: {"least": [-1.0, -1.0], "largest": [1.0, 1.0]}})
    path = tmp_path / "goal.json"
    path.write_text("[0.5, 180.0]")
    rssm = build("rssm", DataSpec((2,), "float32", 1, (1.0,)), {})
    assert isinstance(rssm, WorldModel)
    for model in (_square(), rssm):
        (said,) = doubts(parse_goal(str(path)), model, _run(tmp_path, 0.1))
        assert "beyond all" in said and "reading 1 is 180, and the data's reach from -1 to 1" in said
    assert not _said(tmp_path, [0.5, 1.1])


def test_nothing_is_said_where_it_cannot_be_told(tmp_path: Path) -> None:
    assert not _said(tmp_path, [9.0, 9.0], None)
    assert not _said(tmp_path, [9.0, 9.0], float("nan")), "held-out readings by nan at most is no yardstick"
    (tmp_path / "metrics.json").unlink()
    goal = parse_goal(str(tmp_path / "goal.json"))
    assert not doubts(goal, _square(), tmp_path)
    rssm = build("rssm", DataSpec((2,), "float32", 1, (1.0,)), {})
    assert isinstance(rssm, WorldModel)
    cases: list[tuple[Goal, WorldModel]] = [
        (parse_goal("velocity:0.5"), _square()),
        (parse_goal("any"), _square()),
        (goal, rssm),
    ]
    for other, model in cases:
        assert not doubts(other, model, _run(tmp_path, 0.1))


def test_the_figure_is_the_worst_of_the_held_out_frames() -> None:
    readings = torch.zeros(12, 9, 2)
    readings[3, 4] = torch.tensor([2.0, 1.0])
    figures = held_out_figures(_square(), Sequences(readings, torch.zeros(12, 8, 1)), {}, ())
    assert figures[REDRAWN] == pytest.approx(0.5**0.5)


def test_every_verb_that_takes_a_goal_says_it(pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An untrained model redraws nothing well."""
    goal = pendulum_run.parent / "data" / "goal.png"
    for worst, warned in ((1e-6, True), (10.0, False)):
        _run(pendulum_run, worst)
        summary = evaluate(EvaluateOptions(pendulum_run, agent="cem", goal=str(goal), steps=2, episodes=1, video=False))
        assert ("is unlike all" in capsys.readouterr().out) == warned == (DOUBTS in summary)
        brief = CompareOptions(pendulum_run, tasks=("swing-up",), agents=("cem",), steps=2, episodes=1)
        compare(replace(brief, seed=int(warned), true_physics=False))
        assert capsys.readouterr().out.count("is unlike all") == warned
        learn(LearnOptions(pendulum_run, goal=str(goal), updates=1, horizon=2))
        assert ("is unlike all" in capsys.readouterr().out) == warned
        if warned:
            for given in (
                str(goal),
                np.array(Image.open(goal)).reshape(load_model(pendulum_run).spec.observation_shape),
            ):
                with pytest.warns(UserWarning, match="is unlike all") as seen:
                    load_agent(pendulum_run, given, "cem")
                assert [one.filename for one in seen] == [__file__], "of the line that gave it"
        else:
            load_agent(pendulum_run, str(goal), "cem")


@pytest.mark.parametrize("policy", ["any", "own"])
def test_a_loaded_policy_is_doubted_where_it_is_told_a_goal(pendulum_run: Path, policy: str) -> None:
    """As a planner is; who learned for one goal is told none, and asked only whether it is that."""
    goal = pendulum_run.parent / "data" / "goal.png"
    picture = np.array(Image.open(goal)).reshape(load_model(pendulum_run).spec.observation_shape)
    target = load_model(pendulum_run).encode_goal(torch.from_numpy(picture)).tolist()
    size, notes = (2, {"goal": "any"}) if policy == "any" else (0, {"goal": str(goal), "target": target})
    inputs = torch.zeros(3 + size), torch.ones(3 + size)
    made = MLPPolicy(torch.tensor([-1.0]), torch.tensor([1.0]), *inputs, (4,), goal_size=size)
    save_policy(made, pendulum_run, notes, policy)
    for worst, warned in ((1e-6, policy == "any"), (10.0, False)):
        _run(pendulum_run, worst)
        for given in (str(goal), picture):
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                load_agent(pendulum_run, given, "policy", policy=policy)
            said = [one for one in seen if "is unlike all" in str(one.message)]
            assert [one.filename for one in said] == [__file__] * warned, "of the line that gave it"
