"""``latentrl export``: an EKVAE and its policy, from a run folder to a control loop without this package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentrl import load_agent
from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.data_collection.storage import write
from latentrl.export import export
from latentrl.exporting.folder import check_graphs
from latentrl.exporting.options import ExportOptions
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.runs.folder import MODEL, SETTINGS, model_settings
from latentrl.runs.tensors import write_tensors
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Trajectory

pytest.importorskip("onnxruntime", reason="pip install 'latentrl[export]'")
pytest.importorskip("onnxscript", reason="pip install 'latentrl[export]'")

EXAMPLE = Path(__file__).parent.parent / "examples" / "control_loop.py"
SHAPE = (6, 8, 3)


def random_policy(seed: int) -> MLPPolicy:
    """One that sees beliefs, and whose actions depend on them."""
    low, high = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 3.0])
    policy = MLPPolicy(low, high, torch.zeros(10), torch.ones(10), (8,), "belief")
    torch.nn.init.normal_(policy.layers[-1].weight, generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    return policy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of an untrained EKVAE of three positions, with its data and a policy."""
    folder = tmp_path_factory.mktemp("export")
    rng, data, run = np.random.default_rng(0), folder / "data", folder / "run"
    run.mkdir()
    limits = {"action_low": [-1.0, 0.0], "action_high": [1.0, 3.0]}
    for split in ("train", "test"):
        frames = rng.integers(0, 256, (12, *SHAPE), dtype=np.uint8)
        write(data, split, [Trajectory(frames, np.eye(11, 2, dtype=np.float32))], limits)
    torch.manual_seed(0)
    settings = EKVAESettings(5, 3, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,), standardise=True)
    model = EKVAE(DataSpec(SHAPE, "uint8", 2, (1.0, 3.0)), settings)
    recorded = {"env_id": "own/Robot-v0", "env_kwargs": {}, **limits, "control_step": 0.01}
    described = {"model": model_settings("ekvae", model), "options": {"data": str(data)}, "data": recorded}
    write_json(run / SETTINGS, described)
    write_tensors(run / MODEL, model.state_dict())
    save_policy(random_policy(0), run, {"goal": "goal.png"})
    return run


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    return export(ExportOptions(run))


def test_the_folder_says_how_it_is_used(run: Path, exported: Path) -> None:
    assert exported == run / "export"
    files = {path.name for path in exported.iterdir()}
    assert files == {"agent.json", "begin.onnx", "begin.pt2", "step.onnx", "step.pt2"}
    about = json.loads((exported / "agent.json").read_text())
    assert about["frame"] | {"scaled": ""} == {"shape": [6, 8, 3], "dtype": "uint8", "range": [0, 255], "scaled": ""}
    assert about["mean"]["shape"] == [5] and about["covariance"]["shape"] == [5, 5]
    action = {"shape": [2], "dtype": "float32", "low": [-1.0, 0.0], "high": [1.0, 3.0], "recorded_scale": [1.0, 3.0]}
    assert about["action"] == action
    assert (about["control_step"], about["model"], about["policy"], about["goal"]) == (
        0.01,
        "ekvae",
        "policy",
        "goal.png",
    )
    assert "12 frames of a recording" in about["check"]["frames"]
    assert (
        max(about["check"][kind][part] for kind in ("onnx", "pt2") for part in ("mean", "covariance", "action")) < 1e-5
    )


def test_onnxruntime_acts_as_the_agent_does_whatever_stands_in_a_lost_frame(run: Path, exported: Path) -> None:
    import onnxruntime

    begin, step = (onnxruntime.InferenceSession(str(exported / f"{name}.onnx")) for name in ("begin", "step"))
    agent, rng = load_agent(run, agent="policy"), np.random.default_rng(5)
    frames, arrived = rng.integers(0, 256, (30, *SHAPE), dtype=np.uint8), rng.random(30) < 0.7
    arrived[0] = True
    answer: list[Any] = []
    actions = []
    for frame, seen in zip(frames, arrived, strict=True):
        shown = frame if seen else 255 - frame
        given = {"frame": shown}
        if answer:
            names = ("last_mean", "last_covariance", "last_action")
            given |= dict(zip(names, answer, strict=True)) | {"seen": np.array(seen)}
        answer = (step if len(given) > 1 else begin).run(None, given)
        actions.append(agent.act(frame, seen))
        np.testing.assert_allclose(answer[2], actions[-1], atol=1e-5)
        np.testing.assert_allclose(answer[0], agent.belief.mean[0], atol=1e-5)
        np.testing.assert_allclose(answer[1], agent.belief.covariance[0], atol=1e-5)
    assert np.ptp(actions, axis=0).min() > 1e-2, "a policy that always does the same proves nothing"


def test_the_loop_of_the_example_needs_neither_this_package_nor_torch(exported: Path, tmp_path: Path) -> None:
    """The example as a user runs it, in an interpreter in which both are refused."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules.update(dict.fromkeys(('torch', 'latentrl'), None))  # importing them is an error\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    finished = subprocess.run(
        [sys.executable, str(EXAMPLE), str(exported), "20"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("20 steps: median ")
    refused = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, text=True, env=environment)
    assert "ModuleNotFoundError" in refused.stderr, "torch was not refused: the test proves nothing"
    assert len(EXAMPLE.read_text().splitlines()) <= 30


def test_graphs_of_another_policy_are_refused(run: Path, exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other)
    save_policy(random_policy(1), other, {"goal": "goal.png"})
    with pytest.raises(UserError, match=r"\.onnx differs from the agent by .* action"):
        check_graphs(load_agent(other, agent="policy"), exported, None, 3, torch.tensor([2.0, 3.0]))


def test_bad_options_are_clear_errors_and_leave_everything_as_it_was(run: Path, exported: Path, tmp_path: Path) -> None:
    before = (exported / "agent.json").read_bytes()
    own = tmp_path / "photos"
    own.mkdir()
    options = ExportOptions(run)
    for wrong, words in (
        (options, "export exists already: give --overwrite"),
        (replace(options, out=own, overwrite=True), "photos holds no export"),
        (replace(options, out=tmp_path / "new", policy="sac"), "'sac'.*learn"),
        (replace(options, out=tmp_path / "new", goal="velocity:1"), "learned for goal.png"),
        (replace(options, out=tmp_path / "new", steps=1), "--steps 1"),
        (replace(options, out=tmp_path / "new", data=tmp_path / "lost"), "--data .*lost"),
        (replace(options, out=tmp_path / "new", action_limit=0.0), "0.0"),
        (replace(options, out=tmp_path / "new", action_limit=1e-50), "--action-limit 1e-50"),
    ):
        with pytest.raises(UserError, match=words):
            export(wrong)
    assert (exported / "agent.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_model_that_no_graph_can_hold_is_refused_and_nothing_is_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = EKVAE.initial_belief

    def undecided(self: EKVAE, observation: Tensor) -> Any:
        return original(self, observation if observation.float().mean() > 3 else 255 - observation)

    monkeypatch.setattr(EKVAE, "initial_belief", undecided)
    with pytest.raises(UserError, match="EKVAE with this policy cannot be exported: its begin"):
        export(ExportOptions(run, out=tmp_path / "new"))
    assert not list(tmp_path.iterdir())


class Solving(nn.Module):
    """Everything that ONNX lacks, of a matrix ``[2, 3, 3]``."""

    def forward(self, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        matrix = root @ root.mT + torch.eye(3, dtype=root.dtype)
        solved = torch.linalg.solve(matrix, root[..., 0]) + torch.linalg.solve(matrix, root)[..., 1]
        return torch.linalg.cholesky(matrix) @ root, torch.linalg.inv(matrix) + torch.cdist(root, root), solved


def test_operations_that_onnx_lacks_are_taken_apart(tmp_path: Path) -> None:
    import onnxruntime

    from latentrl.exporting.onnx import write_onnx

    root = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    write_onnx(
        torch.export.export(Solving(), (root,)), tmp_path / "s.onnx", ("root",), ("mean", "covariance", "action")
    )
    found = onnxruntime.InferenceSession(str(tmp_path / "s.onnx")).run(None, {"root": root.numpy()})
    for expected, one in zip(Solving()(root), found, strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-10, atol=1e-10)
