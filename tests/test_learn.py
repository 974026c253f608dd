"""The verb: what it writes into a run folder, and what it refuses; with a small, untrained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from latentrl.agents.policies import AnalyticGradient, load_policy
from latentrl.contestants import policies_for
from latentrl.errors import UserError
from latentrl.goals import parse_goal
from latentrl.learn import LearnOptions, learn
from latentrl.types import Belief


def options(run: Path, **changes: Any) -> LearnOptions:
    goal = str(run.parent / "data" / "goal.png")
    return LearnOptions(**{"run": run, "goal": goal, "updates": 3, "horizon": 4, **changes})


def test_learn_writes_a_policy_a_history_and_a_log(pendulum_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = learn(options(pendulum_run))
    assert path == pendulum_run / "policy.safetensors"
    belief = Belief(torch.zeros(5, 3), torch.eye(3).expand(5, 3, 3))
    assert load_policy(pendulum_run)(belief).shape == (5, 1)
    settings = json.loads((pendulum_run / "policy.json").read_text())["settings"]
    assert settings["updates_done"] == 3 and settings["learner"]["horizon"] == 4
    assert len((pendulum_run / "policy_history.csv").read_text().splitlines()) == 4
    assert list((pendulum_run / "policy_log").glob("events*"))
    assert not list(pendulum_run.glob("*.partial"))
    assert "next: python -m latentrl.evaluate" in capsys.readouterr().out


def test_a_policy_for_a_speed_lives_beside_the_first_and_is_found_by_its_goal(pendulum_run: Path) -> None:
    before = (pendulum_run / "policy.safetensors").read_bytes()
    learn(options(pendulum_run, goal="velocity:0.85", name="fast", torque=30.0))
    assert (pendulum_run / "policy.safetensors").read_bytes() == before
    assert policies_for(pendulum_run, parse_goal("velocity:0.85")) == ["policy-fast"]
    assert policies_for(pendulum_run, parse_goal("velocity:-0.5")) == ["policy-spin"]
    assert policies_for(pendulum_run, parse_goal("anywhere.png")) == ["policy"]


def test_learn_interrupted_saves_what_there_is(pendulum_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, done = AnalyticGradient.update, []

    def interrupted(self: AnalyticGradient) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return original(self)

    monkeypatch.setattr(AnalyticGradient, "update", interrupted)
    learn(options(pendulum_run, updates=50))
    assert json.loads((pendulum_run / "policy.json").read_text())["settings"]["updates_done"] == 2


@pytest.mark.parametrize("wrong", [{"torque": 0.0}, {"updates": 0}, {"horizon": -1}, {"policy": "magic"}], ids=str)
def test_learn_refuses_bad_options(pendulum_run: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        learn(options(pendulum_run, **wrong))
