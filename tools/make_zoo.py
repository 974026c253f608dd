"""Make the runs that come with the package: the exact commands, an evaluation, and the folder that is shipped.

    python tools/make_zoo.py pendulum              # all of it, in the current folder: data/, runs/ and the entry
    python tools/make_zoo.py pendulum --run RUN    # of a run that these commands have made already: evaluate and pack
    python tools/make_zoo.py --check               # evaluate every entry again, and compare with its stored interval

with this repository on the path: PYTHONPATH=. where it is the current folder.

The folder of a run is packed as it is, but for the logs, histories and films, and `entry.json` says the rest. The
commit is the one that `settings.json` holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from latentrl.runs.folder import MODEL
from latentrl.runs.tensors import read_tensors, write_tensors
from latentrl.shipped.entries import ENTRY, HOME, LARGEST, PREFIX, entry_of, names, outcome, told, within
from latentrl.support.files import read_json, write_json
from tools.few_bits import LARGE, in_few_bits

TAKEN = ("settings.json", "model.safetensors", "metrics.json", "velocity.json", "policy.json", "policy.safetensors")
ROOM = 0.97 * LARGEST
"""Bytes that a run may take so that there is room for the rest."""
EVALUATE = "latentrl evaluate --run zoo:{name} --agent policy --episodes 50 --seed 0 --no-video"


@dataclass(frozen=True)
class Plan:
    """How an entry is made.

    Attributes:
        title: what is learned.
        commands: that make the run, in turn.
        run: the run folder that they make.
        needs: extras of the package that its environment takes, and a module of each.
        bits: of a number of its model's large matrices, by the beginning of a layer's name, where half precision is too
            much: see :func:`tools.few_bits.in_few_bits`.
    """

    title: str
    commands: tuple[str, ...]
    run: str
    needs: Mapping[str, str] = field(default_factory=dict)
    bits: Mapping[str, int] = field(default_factory=dict)


PLANS: Mapping[str, Plan] = {
    "pendulum": Plan(
        "a pendulum swings up, seen as a blob in noisy 16 x 16 pictures",
        ("latentrl quickstart --seed 0",),
        "runs/quickstart/model",
    ),
    "pendulum-rod": Plan(
        "a pendulum swings up, seen as a rod in noisy 16 x 16 pictures",
        (
            "latentrl collect --env pendulum --picture rod --out data/pendulum-rod",
            "latentrl train --data data/pendulum-rod --run runs/pendulum-rod",
            "latentrl learn --run runs/pendulum-rod",
        ),
        "runs/pendulum-rod",
    ),
    "reacher": Plan(
        "a two-link arm comes to any pose and stays, from noisy readings of its joints' angles",
        ("latentrl quickstart --env reacher --seed 0",),
        "runs/reacher/model",
        {"reacher": "dm_control"},
    ),
    "point-mass": Plan(
        "a point mass (dm_control) comes to the middle of its table, seen in grey 24 x 24 pictures",
        (
            "latentrl collect --env dm_control/point_mass-easy --pixels 24 --grey --repeat 4 --sequences 800 "
            "--test-sequences 200 --length 20 --hold 0.8 --reset-options "
            '\'{"qpos": {"root_x": [-0.28, 0.28], "root_y": [-0.28, 0.28]}, '
            '"qvel": {"root_x": [-0.1, 0.1], "root_y": [-0.1, 0.1]}}\' '
            '--goal-options \'{"qpos": [0, 0], "qvel": [0, 0]}\' --out data/point-mass',
            "latentrl train --data data/point-mass --run runs/point-mass --position-size 2 --state-size 4 --steps 4000",
            "latentrl learn --run runs/point-mass",
        ),
        "runs/point-mass",
        {"dm-control": "dm_control"},
    ),
    "mountain-car": Plan(
        "a car whose motor is weaker than the slope (MountainCarContinuous-v0) comes to the flag, seen in grey 24 x 24 "
        "pictures",
        (
            "latentrl collect --env MountainCarContinuous-v0 --pixels 24 --grey --repeat 4 --sequences 2500 "
            '--test-sequences 500 --length 16 --hold 0.8 --reset-options \'{"low": -1.2, "high": 0.6}\' '
            '--goal-options \'{"low": 0.5, "high": 0.5001}\' '
            "--describe latentrl/studies/systems/mountain_car.toml --out data/mountain-car --seed 0",
            "latentrl train --data data/mountain-car --run runs/mountain-car --device cpu --seed 0",
            "latentrl learn --run runs/mountain-car --goal data/mountain-car/goal.png --seed 0",
        ),
        "runs/mountain-car",
        {"classic-control": "pygame"},
    ),
    "cartpole": Plan(
        "a cart swings up a pole and balances it (dm_control), seen in grey 32 x 48 pictures; large matrices in half "
        "precision",
        (
            'latentrl collect --env dm_control/cartpole-swingup --env-kwargs \'{"height": 128, "width": 192}\' '
            "--pixels 32x48 --grey --repeat 5 --sequences 2200 --test-sequences 500 --length 20 --hold 0.8 "
            '--reset-options \'{"qpos": {"slider": [-1, 1], "hinge_1": [-3.1416, 3.1416]}, '
            '"qvel": {"slider": [-1.5, 1.5], "hinge_1": [-8, 8]}}\' '
            '--goal-options \'{"qpos": {"slider": 0, "hinge_1": 0}, "qvel": {"slider": 0, "hinge_1": 0}}\' '
            "--out data/cartpole --seed 0",
            "latentrl train --data data/cartpole --run runs/cartpole --position-size 3 --state-size 6 --device cpu "
            "--seed 0",
            "latentrl learn --run runs/cartpole --goal data/cartpole/goal.png --seed 0",
        ),
        "runs/cartpole",
        {"dm-control": "dm_control"},
    ),
    "reacher-pixels": Plan(
        "a two-link arm comes to any pictured pose and stays, seen in 64 x 64 pictures; large matrices in 4 to 6 bits",
        (
            "latentrl collect --env reacher --observation pixels --sequences 1600 --test-sequences 400 --length 30 "
            "--out data/reacher-pixels --seed 0",
            "latentrl train --data data/reacher-pixels --run runs/reacher-pixels --position-size 3 --state-size 5 "
            "--device cpu --seed 0",
            "latentrl learn --run runs/reacher-pixels --goal any --action-limit 0.5 --seed 0",
        ),
        "runs/reacher-pixels",
        {"reacher": "dm_control"},
        {"encoder.body.network.0": 5, "encoder": 6, "decoder.body": 4, "decoder.layers": 6},
    ),
}


def evaluated(name: str, run: Path) -> dict[str, Any]:
    """The command of an entry's evaluation and its outcome, for a run folder, which is left as it is."""
    words = EVALUATE.format(name=name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evaluation_*"))
        _do(words.replace(PREFIX + name, str(copy)))
        (figures,) = copy.glob("evaluation_*.json")
        return {"command": words, "outcome": outcome(read_json(figures, "evaluate again"))}


def pack(name: str, plan: Plan, run: Path, home: Path = HOME) -> Path:
    """Write the entry's folder; whatever was there is replaced.

    Raises:
        SystemExit: a file is missing, or they are too large.
    """
    settings = json.loads((run / "settings.json").read_text())
    data = Path(settings["options"]["data"])
    if not data.is_dir():  # a quickstart's, moved together with its run
        data = run.parent / data.name
    (goal,) = (*run.glob("goal.*"),) or (*data.glob("goal.*"),)
    target = home / name
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for file in TAKEN:
            shutil.copyfile(run / file, place / file)
        shutil.copyfile(goal, place / goal.name)
        if plan.bits:
            in_few_bits(run, data, plan.bits, place / MODEL)
        if sum(one.stat().st_size for one in place.iterdir()) > ROOM:
            halve(place / MODEL)
        files = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(place.iterdir())}
        about = {
            "title": plan.title,
            "commands": list(plan.commands),
            "seed": settings["options"]["seed"],
            "commit": settings["environment"].get("git", "unknown"),
            "needs": dict(plan.needs),
            "evaluation": evaluated(name, place),
            "files": files,
        }
        write_json(place / ENTRY, about)
        size = sum(one.stat().st_size for one in place.iterdir())
        if size > LARGEST:
            raise SystemExit(f"{name}: {size:,} bytes are more than {LARGEST:,}")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(place, target)
        target.chmod(0o755)
    print(f"{target}: {size:,} bytes; {told(about['evaluation']['outcome'])}")
    return target


def halve(path: Path) -> None:
    """Store the large matrices of a model, which are its encoder's and its decoder's, in half precision.

    Whoever loads them gets single precision as ever; the entry's evaluation is that of the numbers that are left.
    """
    tensors, notes = read_tensors(path, "train the run again")
    large = {name for name, value in tensors.items() if value.dtype == torch.float32 and value.numel() >= LARGE}
    write_tensors(path, {name: value.half() if name in large else value for name, value in tensors.items()}, notes)


def check() -> int:
    """Evaluate every entry again; how many are outside of their stored interval."""
    outside = 0
    for name in names():
        entry = entry_of(name)
        stored, found = entry.evaluation["outcome"], evaluated(name, entry.folder)["outcome"]
        ok = within(stored, found)
        outside += not ok
        print(f"{name}: {told(found)}; stored {told(stored)}: {'within' if ok else 'OUTSIDE'}")
    return outside


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=sorted(PLANS))
    parser.add_argument("--run", type=Path, help="a run that the entry's commands have made already")
    parser.add_argument("--check", action="store_true", help="evaluate what is shipped")
    options = parser.parse_args(argv)
    if options.check:
        return check()
    if options.name is None:
        parser.error("which one? give a name, or --check")
    plan = PLANS[options.name]
    if options.run is None:
        for one in plan.commands:
            _do(one)
    pack(options.name, plan, options.run or Path(plan.run))
    return 0


def _do(words: str) -> None:
    program, *rest = shlex.split(words)
    assert program == "latentrl"
    subprocess.run([sys.executable, "-m", "latentrl", *rest], check=True)


if __name__ == "__main__":
    sys.exit(main())
