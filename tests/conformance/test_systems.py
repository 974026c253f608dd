"""What every system of the suite has to be: commands that the verbs take, few frames, declarations that hold."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import tyro

from latentrl.agents.options import LearnOptions
from latentrl.data_collection.options import parse
from latentrl.envs import TASKS, register
from latentrl.envs.declaration import read_declaration
from latentrl.evaluation.options import EvaluateOptions
from latentrl.recordings.options import ImportOptions
from latentrl.studies.suite.commands import Place, Step, filled, steps_of
from latentrl.studies.suite.page import AGENTS
from latentrl.studies.systems import SYSTEMS
from latentrl.studies.systems.base import FRAMES, GOAL, System
from latentrl.training.options import TrainOptions

OPTIONS = {"train": TrainOptions, "learn": LearnOptions, "evaluate": EvaluateOptions, "import": ImportOptions}


def parsed(system: System, step: Step) -> object:
    """The options that a step's words mean to its verb."""
    words = filled(step.words, Place(Path("somewhere")).meaning(system.declaration))
    assert words[0] == "-m" and words[1].startswith("latentrl.")
    return parse(words[2:]) if step.verb == "collect" else tyro.cli(OPTIONS[step.verb], args=words[2:])


def named(name: str, system: System) -> bool:
    return system.name == name and name == name.lower() and "/" not in name and " " not in name


@pytest.mark.parametrize("name", SYSTEMS)
def test_it_says_what_a_reader_needs(name: str) -> None:
    system = SYSTEMS[name]
    assert named(name, system) and system.title
    assert set(system.agents) <= set(AGENTS) and "random" in system.agents
    assert bool(system.needs) == bool(system.install)
    assert len({one.name for one in system.evaluations}) == len(system.evaluations) > 0
    assert system.seeds == (3 if any(one.target is not None for one in system.evaluations) else 1)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=lambda system: system.name)
@pytest.mark.parametrize("quick", [False, True], ids=["whole", "quick"])
def test_the_verbs_take_its_words(system: System, quick: bool) -> None:
    steps = steps_of(system, 3, quick)
    assert len({step.name for step in steps}) == len(steps)
    for number, step in enumerate(steps):
        assert set(step.after) <= {earlier.name for earlier in steps[:number]}
        if step.verb == "record":
            compile(step.words[1], step.name, "exec")
            continue
        assert getattr(parsed(system, step), "seed") == 3  # noqa: B009


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=lambda system: system.name)
def test_it_sees_few_frames_and_no_setting_is_tuned(system: System) -> None:
    steps = {step.name: step for step in steps_of(system, 0)}
    if system.log is None:
        collect = parsed(system, steps["collect"])
        counts = [getattr(collect, key) for key in ("sequences", "test_sequences", "length")]
        assert None not in counts and (counts[0] + counts[1]) * counts[2] <= FRAMES
    train = parsed(system, steps["train"])
    # How long, where the default is too short: the system's note says so.
    longer = {"steps"} if system.note and "steps" in system.note else set()
    said = {"data", "run", "seed", "device", "state_size", "position_size"} | longer
    tuned = [
        one.name
        for one in fields(TrainOptions)
        if one.name not in said and getattr(train, one.name) != getattr(TrainOptions(), one.name)
    ]
    assert tuned == []


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=lambda system: system.name)
def test_its_declaration_and_its_tasks_hold(system: System) -> None:
    declared = read_declaration(system.declaration).tasks if system.declaration else {}
    for evaluation in system.evaluations:
        words = evaluation.options
        task = words[words.index("--task") + 1] if "--task" in words else None
        assert task is None or task in declared or task in TASKS
        if evaluation.score == "successes":
            assert task in declared or task in TASKS
    assert "policy" not in system.agents or GOAL in system.learn or "any" in system.learn


def test_the_finger_s_goal_lies_in_the_target_that_its_seed_draws() -> None:
    pytest.importorskip("dm_control")
    register()
    words = SYSTEMS["finger"].record
    given = {flag: json.loads(words[words.index(flag) + 1]) for flag in ("--env-kwargs", "--goal-options")}
    env = gymnasium.make(words[words.index("--env") + 1], **given["--env-kwargs"])
    env.reset(seed=3, options=given["--goal-options"])
    assert env.step(np.zeros(2, np.float32))[1] == 1.0


@pytest.mark.parametrize(
    "system", [one for one in SYSTEMS.values() if "--goal-options" in one.record], ids=lambda system: system.name
)
def test_its_environment_takes_its_resets(system: System) -> None:
    """Where it is installed: options of starts and goal, without a picture being taken."""
    register()
    missing = [module for module in system.needs if find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is missing")
    words = system.record
    env = gymnasium.make(words[words.index("--env") + 1])
    for flag in ("--reset-options", "--goal-options"):
        if flag in words:
            options = json.loads(words[words.index(flag) + 1])
            _, info = env.reset(seed=0, options=options)
            for key, wanted in options.items():
                if flag == "--goal-options" and key in info and isinstance(wanted, list):
                    assert info[key] == pytest.approx(wanted)
    for evaluation in system.evaluations:
        if "--reset-options" in evaluation.options:
            env.reset(seed=0, options=json.loads(evaluation.options[evaluation.options.index("--reset-options") + 1]))
    env.close()
