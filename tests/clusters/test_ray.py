"""The true Ray, where it is installed: two nodes on this machine, one of whose processes is killed in its work."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latentrl.collect import CollectOptions, collect
from latentrl.study import StudyOptions, study

# What Ray does by default on systems without clusters: nothing leaves the loopback interface.
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
# By default Ray's workers stand back behind everything else.
os.environ.setdefault("RAY_worker_niceness", "0")
ray = pytest.importorskip("ray")
STORE = 80 * 2**20
ROW = {"name": "short", "model": "ekvae"}


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[str]:
    """The address of a cluster of two nodes with a core each; its processes are this one's."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    try:
        yield cluster.address
    finally:
        ray.shutdown()
        cluster.shutdown()


def _files(folder: Path) -> dict[str, bytes]:
    """What there is, but for what says where and when it was made."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".arrow", ".safetensors", ".csv", ".png") and "seconds" not in path.name
    }


def _kill_a_worker(doing: str, when: Path, told: list[int]) -> None:
    """Kill the process of the cluster that is ``doing`` something, once ``when`` is there."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline and not told:
        time.sleep(0.05)
        for entry in Path("/proc").iterdir() if when.exists() else ():
            try:
                words = (entry / "cmdline").read_bytes().decode()
            except (OSError, UnicodeDecodeError):
                continue
            if words.startswith(f"ray::{doing}"):
                os.kill(int(entry.name), signal.SIGKILL)
                told.append(int(entry.name))
                break


def test_rounds_on_two_nodes_are_those_of_one_process(
    two_nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", two_nodes)
    options = {"sequences": 24, "test_sequences": 8, "length": 200, "num_envs": 4, "seed": 3}
    here = collect(CollectOptions(out=tmp_path / "here", **options))  # type: ignore[arg-type]
    killed = list[int]()
    killer = threading.Thread(target=_kill_a_worker, args=("play_there", tmp_path, killed))
    killer.start()
    there = collect(CollectOptions(out=tmp_path / "there", on="ray", **options))  # type: ignore[arg-type]
    killer.join()
    assert len(killed) == 1
    assert _files(here) == _files(there) and len(_files(here)) > 30
    assert (here / "metadata.json").read_bytes() == (there / "metadata.json").read_bytes()


def test_a_killed_worker_costs_one_try(two_nodes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", two_nodes)
    monkeypatch.chdir(tmp_path)
    collect(CollectOptions(out=Path("data"), sequences=12, test_sequences=20, length=12, num_envs=4))
    Path("mine.json").write_text(json.dumps({"rows": [ROW], "columns": ["test_elbo_per_step"], "steps": 4}))
    how = {"study": "mine.json", "data_dir": Path("data"), "seeds": 2, "recipe": "source"}
    here = study(StudyOptions(out=Path("here"), **how))  # type: ignore[arg-type]
    killed = list[int]()
    when = tmp_path / "there" / "short" / "seed0" / "settings.json"
    killer = threading.Thread(target=_kill_a_worker, args=("run_command", when, killed))
    killer.start()
    there = study(StudyOptions(out=Path("there"), on="ray", **how))  # type: ignore[arg-type]
    killer.join()
    assert len(killed) == 1
    assert here is not None and there is not None
    name = "test_elbo_per_step"
    assert there.values("short", name) == here.values("short", name) and len(here.values("short", name)) == 2
    for seed in range(2):
        left, right = (Path(out, "short", f"seed{seed}", "model.safetensors") for out in ("here", "there"))
        assert left.read_bytes() == right.read_bytes()
