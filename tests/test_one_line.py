"""One file and one line: the toys of `tests.toys` are picked up by every suite, and used by every verb."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import gymnasium
import numpy as np
import pytest
import torch

from latentrl.agents.policies import POLICIES
from latentrl.collect import main as collect
from latentrl.compare import main as compare
from latentrl.envs import ENVIRONMENTS, TASKS
from latentrl.evaluate import main as evaluate
from latentrl.figures import FIGURES
from latentrl.figures.theme import to_png
from latentrl.geometry.topologies import TOPOLOGIES, topology_of
from latentrl.learn import main as learn
from latentrl.models import MODELS
from latentrl.runs.folder import load_model
from latentrl.train import main as train
from latentrl.training.stages import STAGES
from tests.toys import plugin
from tests.toys.model import ToyModel
from tests.toys.objective import ToyObjective
from tests.toys.penalty import ToyPenalty
from tests.toys.prior import ToyPrior

ROOT = Path(__file__).parent.parent
Names = dict[str, list[str]]
"""Of tests, by suite."""
SLOW = ("little_training", "agree_after_training", "every_objective_trains", "stopped_in_any_stage")
"""Tests that need not find what is broken."""


def rows() -> dict[str, tuple[str, str]]:
    """What can be added, by CONTRIBUTING's table: its registry's name and its suite."""
    row = r"^\| an? ([^|]+?) \| .*\| `?(\w+)`? .*\| `(tests/conformance/\w+\.py)` \|$"
    table = re.findall(row, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {kind: (registry, suite) for kind, registry, suite in table}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Names, Names]]:
    """Of the suites with the toys, and with broken ones: a process each, side by side."""
    given: dict[str, tuple[tuple[str, ...], str]] = {
        "toys": (("tests.toys.plugin",), "toy and not (little_training or agree_after_training)"),
        "broken": (("tests.toys.plugin", "tests.toys.broken"), " and not ".join(("toy", *SLOW))),
    }
    with ThreadPoolExecutor() as pool:
        running = {
            name: pool.submit(conformance, tmp_path_factory.mktemp(name), *arguments)
            for name, arguments in given.items()
        }
        return {name: one.result() for name, one in running.items()}


def conformance(folder: Path, plugins: tuple[str, ...], tests: str) -> tuple[Names, Names]:
    """The tests that passed and those that failed, in a process that has the plugins."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-k", tests, "tests/conformance", f"--junitxml={report}"]
    command += [argument for name in plugins for argument in ("-p", name)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    passed: Names = {}
    failed: Names = {}
    for case in ElementTree.parse(report).iter("testcase"):
        suite, outcomes = case.get("classname", "").replace(".", "/") + ".py", {child.tag for child in case}
        if "skipped" not in outcomes:
            found = failed if outcomes & {"failure", "error"} else passed
            found.setdefault(suite, []).append(case.get("name", ""))
    assert (ran.returncode == 1) == bool(failed)
    return passed, failed


def of_toys(names: list[str]) -> list[str]:
    """Those that are about a toy in the first place."""
    return [name for name in names if "[toy" in name]


def test_the_table_has_a_row_for_every_registry() -> None:
    named = {registry for registry, _ in rows().values()}
    every = {name for name, value in vars(plugin).items() if any(value is one for one in plugin.REGISTRIES)}
    assert named == every | {"tasks"}


def test_every_suite_picks_up_its_toy(outcomes: dict[str, tuple[Names, Names]]) -> None:
    passed, failed = outcomes["toys"]
    assert not failed
    for kind, (_, suite) in rows().items():
        assert of_toys(passed.get(suite, [])), f"{suite} tests no {kind}"
    assert any("[toy-park" in name for name in passed[rows()["task"][1]])
    assert any("-toy]" in name for name in passed[rows()["model"][1]]), "models with priors and planners from elsewhere"


def test_every_suite_finds_a_broken_toy(outcomes: dict[str, tuple[Names, Names]]) -> None:
    _, failed = outcomes["broken"]
    for kind, (_, suite) in rows().items():
        assert of_toys(failed.get(suite, [])), f"{suite} finds nothing wrong with a broken {kind}"
    for of_both in ("[toy-park", "[toy-check_description"):
        assert any(of_both in name for name in failed[rows()["environment"][1]])


@pytest.fixture
def toys() -> Iterator[None]:
    with plugin.registered():
        yield


def test_every_verb_uses_the_toys(toys: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    collect(["--env", "toy", "--out", str(data)])
    assert json.loads((data / "metadata.json").read_text())["env_id"] == ENVIRONMENTS["toy"].env_id
    assert len(json.loads((data / "goal.json").read_text())) == 2

    chosen = ["--model", "toy", "--prior", "toy", "--objective", "toy", "--state-size", "4", "--steps", "20"]
    command = ["--data", str(data), "--run", str(run), *chosen, "--device", "cpu", "--no-progress"]
    capsys.readouterr()
    train([*command, "--explain"])
    explained = capsys.readouterr().out
    assert "objective toy" in explained and "prior toy" in explained
    assert f"toy: {ToyPenalty.described(None)}" in explained  # type: ignore[arg-type]
    assert re.search(r"^ +\d+\. toy +weights are rounded", explained, re.MULTILINE)
    with pytest.MonkeyPatch.context() as patched:
        penalties, losses = counted(patched, ToyPenalty, "__call__"), counted(patched, ToyObjective, "loss")
        train(command)
    assert len(penalties) == len(losses) >= 20
    model = load_model(run)
    assert isinstance(model, ToyModel) and isinstance(model.initial_distribution, ToyPrior)
    assert all(torch.equal(values, values.bfloat16().float()) for values in model.parameters()), "by the toy stage"
    assert "r2_place" in json.loads((run / "metrics.json").read_text())

    learn(["--run", str(run), "--policy", "toy", "--goal", "toy:0", "--torque", "1", "--steps", "3"])
    assert (run / "policy-toy.safetensors").is_file()

    for agent in (["toy"], ["policy", "--policy", "toy"]):
        capsys.readouterr()
        evaluate(["--run", str(run), "--task", "toy-park", "--agent", *agent])
        assert "toy_distance" in capsys.readouterr().out
    found = json.loads((run / "evaluation_toy_toy-park.json").read_text())
    assert found["agent"] == "toy" and len(found["measures"]["toy_distance"]["per_episode"]) == 3
    assert (run / "evaluation_toy_toy-park.gif").is_file()

    compare(["--run", str(run), "--episodes", "2"])
    table = (run / "compare.md").read_text()
    assert "## toy-park" in table and "from zero, m" in table
    listed = {row["agent"] for row in json.loads((run / "compare.json").read_text())["rows"]}
    assert {"toy", "policy-toy", "random", "cem"} <= listed

    history = np.genfromtxt(run / "history.csv", delimiter=",", names=True, ndmin=1)
    assert to_png(FIGURES["toy"]({"x": history["step"], "y": history["beta"]})).startswith(b"\x89PNG")
    assert topology_of(TOPOLOGIES["toy"].sample(500)) is TOPOLOGIES["toy"]


def counted(patched: pytest.MonkeyPatch, kind: type, name: str) -> list[None]:
    """A list that grows with every call of a method."""
    calls: list[None] = []
    method = getattr(kind, name)

    def counting(*arguments: object) -> object:
        calls.append(None)
        return method(*arguments)

    patched.setattr(kind, name, counting)
    return calls


def test_nothing_of_a_toy_stays_behind() -> None:
    assert not any("toy" in name.lower() for name in gymnasium.registry)
    for names in (MODELS, STAGES, POLICIES, ENVIRONMENTS, TASKS):
        assert not any(name.startswith("toy") for name in names)


def test_neither_package_nor_suites_know_a_toy() -> None:
    """What the toys needed there is there for everybody."""
    for folder in ("latentrl", "tests/conformance"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "toys" not in re.findall(r"from tests\.(\w+)", path.read_text(encoding="utf-8")), path
            assert not re.search(r"""["']toy["'-]""", path.read_text(encoding="utf-8")), path
