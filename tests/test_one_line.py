"""One file and one line: the toys of `tests.toys` are picked up by every suite, and used by every verb."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
from tools import chaos

ROOT = Path(__file__).parent.parent
Names = dict[str, list[str]]
"""Of tests, by suite."""
Enough = Callable[[str, list[str]], bool]
"""Whether a suite's other tests are left out, given those that failed."""
SLOW = ("little_training", "agree_after_training", "every_objective_trains", "stopped_in_any_stage")
"""Tests that need not find what is broken."""
REPEATED = re.compile(r"test_numbers_and_gradients_are_the_references\[toy-.*-(?!batch 11)[^-]*\]$")
"""Tests that go through what others have gone through: the same work once more, in problems of other sizes."""
BOTH = ("[toy-park", "[toy-check_description")
"""Of tasks and of environments, which have one suite."""


def rows() -> dict[str, tuple[str, str]]:
    """What can be added, by CONTRIBUTING's table: its registry's name and its suite."""
    row = r"^\| an? ([^|]+?) \| .*\| `?(\w+)`? .*\| `(tests/conformance/\w+\.py)` \|$"
    table = re.findall(row, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {kind: (registry, suite) for kind, registry, suite in table}


@dataclass
class Outcomes:
    """A plugin that keeps which tests passed and which failed, by suite, and leaves out what need not be known."""

    enough: Enough
    passed: Names = field(default_factory=dict)
    failed: Names = field(default_factory=dict)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not REPEATED.search(item.nodeid)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        suite = item.nodeid.partition("::")[0]
        if self.enough(suite, self.failed.get(suite, [])):
            pytest.skip("its suite has failed")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        suite, _, name = report.nodeid.partition("::")
        if report.failed or (report.passed and report.when == "call"):
            (self.failed if report.failed else self.passed).setdefault(suite, []).append(name)


def to_the_end(suite: str, failed: list[str]) -> bool:
    """Never."""
    return False


def found_out(suite: str, failed: list[str]) -> bool:
    """Whether a suite has failed at what it is asked to find."""
    wanted = BOTH if suite == rows()["environment"][1] else ("[toy",)
    return all(any(one in name for name in failed) for one in wanted)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Names, Names]]:
    """Of the suites with the toys, and with broken ones: a process each, side by side."""
    good, broken = ("-p", "tests.toys.plugin"), ("-p", "tests.toys.plugin", "-p", "tests.toys.broken", "--tb=line")
    given = {
        "toys": (good, "toy and not (little_training or agree_after_training)", to_the_end),
        "broken": (broken, " and not ".join(("toy", *SLOW)), found_out),
    }
    chaos.preload_late()
    fork, folders = multiprocessing.get_context("fork"), {name: tmp_path_factory.mktemp(name) for name in given}
    running = {
        name: fork.Process(target=conformance, args=(folders[name], *arguments)) for name, arguments in given.items()
    }
    for process in running.values():
        process.start()
    found = {}
    for name, process in running.items():
        process.join(600)
        process.kill()
        said = (folders[name] / "said.txt").read_text()
        assert process.exitcode in (0, 1), said
        passed, failed = json.loads((folders[name] / "outcomes.json").read_text())
        assert (process.exitcode == 1) == bool(failed), said
        found[name] = (passed, failed)
    return found


def conformance(folder: Path, options: tuple[str, ...], tests: str, enough: Enough) -> None:
    """Run the suites as ``python -m pytest`` would with these options, in a process that has imported the rest."""
    # What was imported without the toys has read the tables without them.
    for name in [name for name in sys.modules if name.startswith("tests.conformance.")]:
        del sys.modules[name]
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT)
    own = Outcomes(enough)
    words = ["-q", "-p", "no:cacheprovider", *options, "-k", tests, "tests/conformance"]
    with (folder / "said.txt").open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = pytest.main(words, plugins=[own])
    (folder / "outcomes.json").write_text(json.dumps((own.passed, own.failed)))
    raise SystemExit(int(code))


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
    for of_both in BOTH:
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
        assert "from zero, m" in capsys.readouterr().out
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
