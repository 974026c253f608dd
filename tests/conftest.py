"""Settings for all tests."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest

# The tests' models are tiny: a second thread gains nothing, and beside another process, such as the next worker of
# pytest-xdist, the two wait for each other at every operation. It holds for NumPy and for what tests start, too, and so
# is said before either is loaded; Mesa, which renders without a GPU, has a name of its own for it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LP_NUM_THREADS", "0")

import torch

torch.set_num_threads(1)

# What a shell starts in the background is deaf to Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """No workers where tests are selected: to start one takes as long as many a test. None: as many as cores."""
    chosen = config.option
    selected = chosen.keyword or chosen.markexpr or chosen.lf or chosen.collectonly
    named = any("::" in argument or argument.endswith(".py") for argument in config.args)
    return 0 if selected or named else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers begin with the tests of whole verbs, which take longest: at the end, none waits long for another."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.parent != HERE)


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: whoever looks for garbage need not walk through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def reacher_camera() -> None:
    """For tests that need pictures of the reacher: skips them where MuJoCo or OpenGL is missing."""
    pytest.importorskip("dm_control")
    from gymnasium.error import DependencyNotInstalled

    from latentrl.envs.reacher.env import ReacherEnv

    env = ReacherEnv("pixels")
    try:
        env.reset(seed=0)
    except DependencyNotInstalled as error:
        pytest.skip(str(error))
    env.close()


@pytest.fixture
def pendulum_run(tmp_path: Path) -> Path:
    """The run folder of a small, untrained EKVAE of the pendulum, with two policies and the data it names.

    The data's top speed is 8 rad/s, a clockwise one. ``policy`` was learned for a picture, ``policy-spin`` for -50%.
    """
    import numpy as np
    from PIL import Image

    from latentrl.agents.policies import MLPPolicy, save_policy
    from latentrl.data_collection.storage import write
    from latentrl.envs import PENDULUM
    from latentrl.models.ekvae import EKVAE, EKVAESettings
    from latentrl.models.spec import DataSpec
    from latentrl.runs.folder import MODEL, SETTINGS, model_settings
    from latentrl.runs.tensors import write_tensors
    from latentrl.runs.velocity_range import VelocityRange, save_range
    from latentrl.support.files import write_json
    from latentrl.types import Trajectory

    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    run.mkdir()
    trajectory = Trajectory(
        np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), dtype=np.uint8),
        np.eye(2, 1, dtype=np.float32),
        {"velocity": np.array([1.0, -8.0, 5.0])},
    )
    write(data, "train", [trajectory], {"action_low": [-2.0], "action_high": [2.0]})
    Image.fromarray(trajectory.observations[0, ..., 0]).save(data / "goal.png")
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=3, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(DataSpec((16, 16, 1), "uint8", 1, (2.0,)), settings)
    recorded = {"env_id": PENDULUM, "env_kwargs": {"picture": "rod"}}
    described = {"model": model_settings("ekvae", model), "options": {"data": str(data)}, "data": recorded}
    write_json(run / SETTINGS, described)
    write_tensors(run / MODEL, model.state_dict())
    save_range(VelocityRange(torch.tensor([0.5]), torch.tensor([4.0])), run)
    for name, goal, bound in (("policy", str(data / "goal.png"), 7.0), ("spin", "velocity:-0.5", 30.0)):
        limit = torch.tensor([bound])
        policy = MLPPolicy(-limit, limit, torch.zeros(3), torch.ones(3), (4,))
        save_policy(policy, run, {"goal": goal}, name)
    return run


@pytest.fixture
def reacher_run(tmp_path: Path) -> Path:
    """The run folder of a small, untrained EKVAE of the reacher's angles, with data of 30 steps and one policy."""
    pytest.importorskip("dm_control")
    import numpy as np

    from latentrl.agents.policies import MLPPolicy, save_policy
    from latentrl.data_collection.storage import write
    from latentrl.envs import REACHER
    from latentrl.envs.reacher.env import ReacherEnv
    from latentrl.models.ekvae import EKVAE, EKVAESettings
    from latentrl.models.spec import DataSpec
    from latentrl.runs.folder import MODEL, SETTINGS, model_settings
    from latentrl.runs.tensors import write_tensors
    from latentrl.support.files import write_json
    from latentrl.types import Trajectory

    data, run = tmp_path / "data", tmp_path / "run"
    run.mkdir()
    recorded = {
        "env_id": REACHER,
        "env_kwargs": {"observation": "angles", "noise": 0.0},
        "pixels": None,
        "action_low": [-1.0] * 2,
        "action_high": [1.0] * 2,
    }
    env, rng = ReacherEnv(noise=0.0), np.random.default_rng(0)
    for split in ("train", "test"):
        trajectories = []
        for seed in range(3):
            actions = np.repeat(rng.uniform(-0.5, 0.5, (6, 2)), 5, axis=0)[:29].astype(np.float32)
            seen = [env.reset(seed=seed), *(env.step(action)[::4] for action in actions)]
            truth = {name: np.stack([info[name] for _, info in seen]) for name in ("angles", "velocities")}
            trajectories.append(Trajectory(np.stack([observation for observation, _ in seen]), actions, truth))
        write(data, split, trajectories, {"action_low": [-1.0] * 2, "action_high": [1.0] * 2, **recorded})
    (data / "goal.json").write_text("[1.0, 1.2]\n")
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=4, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(DataSpec((2,), "float32", 2, (1.0, 1.0)), settings)
    described = {"model": model_settings("ekvae", model), "options": {"data": str(data)}, "data": recorded}
    write_json(run / SETTINGS, described)
    write_tensors(run / MODEL, model.state_dict())
    limit = torch.full((2,), 0.5)
    policy = MLPPolicy(-limit, limit, torch.zeros(4), torch.ones(4), (4,))
    save_policy(policy, run, {"goal": str(data / "goal.json")})
    return run
