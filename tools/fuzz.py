"""Bad input of every kind, made up by Hypothesis: each case ends in success or in one line that says what to do.

    python tools/fuzz.py --cases 2000 --seed 0

A case is a verb that is given something strange: an option, settings, metadata, a goal, weights, arrays, a study file.
It fails where the verb raises anything but a `UserError`, exits with another code than 0 or 2, tells of an error in
more than one line, takes longer than ``PATIENCE`` seconds, or leaves something behind, or changes what was there,
though it refused. Hypothesis shortens each failure to its simplest case and prints it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import numpy as np
import torch
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from PIL import Image

from latentrl.agents.policies import MLPPolicy, save_policy
from latentrl.data_collection.storage import load_sequences, write
from latentrl.evaluation.loading import load_agent
from latentrl.imagine import main as imagine
from latentrl.inspect import main as inspect
from latentrl.learn import main as learn
from latentrl.models import MODELS, STATICS
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.objectives import OBJECTIVES
from latentrl.priors import PRIORS
from latentrl.quickstart import main as quickstart
from latentrl.runs.folder import MODEL, SETTINGS, model_settings
from latentrl.runs.schema import KEYS, SCHEMA, VERSION, keys_of
from latentrl.runs.tensors import write_tensors
from latentrl.study import main as study
from latentrl.suite import main as suite
from latentrl.support.errors import reported
from latentrl.support.files import write_json
from latentrl.train import main as train
from latentrl.training.options import TrainOptions
from latentrl.training.settings import TrainSettings
from latentrl.types import Trajectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.pictures import huge_picture

PATIENCE = 60
"""Seconds that a case may take, with models as tiny as these."""
SHAPE = (4, 4, 1)


class Broken(AssertionError):
    """A case that did not end as it should."""


@dataclass
class Place:
    """A folder with data, a run of it with a policy, and a goal, made once and copied for each case.

    Attributes:
        template: what is copied.
        work: where a case works; ``work/data``, ``work/run``.
        outcomes: how the cases ended, counted.
    """

    template: Path
    work: Path
    outcomes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def make(cls, folder: Path) -> Place:
        """A fresh one in ``folder``, whose cases may use the network of folders below it."""
        template, work = folder / "template", folder / "work"
        template.mkdir()
        # Metadata and settings name the place where a case works.
        work.mkdir()
        _make_data(work / "data")
        _make_run(work / "run", work / "data")
        work.rename(template)
        return cls(template.rename(folder / "made"), work)

    def fresh(self) -> Path:
        """The working folder as it was at first."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.template, self.work)
        return self.work


def _trajectories(count: int, seed: int) -> list[Trajectory]:
    rng = np.random.default_rng(seed)
    return [
        Trajectory(rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8), rng.uniform(-1, 1, (4, 1)).astype(np.float32))
        for _ in range(count)
    ]


def _make_data(folder: Path) -> None:
    bounds = {"action_low": [-1.0], "action_high": [1.0]}
    for seed, split in enumerate(("train", "test")):
        write(folder, split, _trajectories(16, seed), bounds)
    Image.fromarray(_trajectories(1, 5)[0].observations[0, ..., 0]).save(folder / "goal.png")


def _make_run(run: Path, data: Path) -> None:
    run.mkdir()
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=3, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    model = EKVAE(DataSpec(SHAPE, "uint8", 1, (1.0,)), settings)
    from dataclasses import asdict

    from latentrl.support.options import options_to_json

    options = options_to_json(TrainOptions(data=data, run=run, network="dense", device="cpu"))
    metadata = json.loads((data / "metadata.json").read_text())
    content = {
        VERSION: SCHEMA,
        "model": model_settings("ekvae", model),
        "options": {name: value for name, value in options.items() if name != "explain"},
        "training": asdict(TrainSettings()),
        "data": metadata,
        "threads": 1,
    }
    write_json(run / SETTINGS, {**content, KEYS: keys_of(content)})
    write_tensors(run / MODEL, model.state_dict())
    limit = torch.ones(1)
    save_policy(MLPPolicy(-limit, limit, torch.zeros(3), torch.ones(3), (4,)), run, {"goal": str(data / "goal.png")})


# What is strange.

NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 2, 2**31, 2**63, 2**70, -(2**70), 10**400, 1e30, -1e30, 1e-320]),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 0.5, 1.5]),
    st.integers(-3, 12),
)
WORDS = st.one_of(
    st.sampled_from(
        ["", " ", "nan", "-inf", "None", "true", "x" * 300, "../x", "/dev/null", "a\nb", "ü" * 90, "--", "@x"]
    ),
    st.sampled_from(
        ["1e999", "[]", "{}", "{", "\x00", "\ud800", "evil:Env-v0", "mps", "meta", "xpu", "cuda:99", "velocity"]
    ),
    st.text(max_size=6),
)
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=4,
)
"""JSON values that nobody expects."""


def _places(content: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to every value within JSON."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield (*here, key)
        yield from _places(value, (*here, key))


@st.composite
def changed_json(draw: st.DrawFn, path: Path) -> bytes:
    """The bytes of a JSON file in which something is amiss, or nothing."""
    content = json.loads(path.read_text())
    text = json.dumps(content).encode()
    how = draw(st.sampled_from(["value", "value", "value", "drop", "drop", "text", "all", "nothing"]))
    if how == "nothing":
        return text
    if how == "all":
        return _dumped(draw(JSONS))
    if how == "text":
        return draw(changed_bytes(text))
    for _ in range(draw(st.integers(1, 2))):
        where = draw(st.sampled_from(list(_places(content)) or [("x",)]))
        parent = content
        for key in where[:-1]:
            parent = parent[key]
        if how == "drop":
            del parent[where[-1]]
        else:
            parent[where[-1]] = draw(JSONS)
    return _dumped(content)


def _dumped(content: Any) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file's bytes, cut, with some exchanged, or others altogether."""
    how = draw(st.sampled_from(["cut", "flip", "flip", "zeros", "other"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "zeros":
        return bytes(len(content))
    if how == "other":
        return draw(st.binary(max_size=64))
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


# Running a case.


@contextlib.contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise within the block if it takes longer on the processor, beside others, or ten times that in all."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Broken(f"took longer than {seconds} s")

    before = {number: signal.signal(number, late) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.alarm(10 * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def attempt(place: Place, work: Callable[[], object]) -> str:
    """Do ``work`` as a verb does; returns ``success`` or ``refused``.

    Raises:
        Broken: it ended in another way.
    """
    before = _contents(place.work)
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patience(PATIENCE),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            with reported():
                work()
        except SystemExit as stopped:
            code = stopped.code or 0
    said = err.getvalue()
    if code not in (0, 2):
        raise Broken(f"exit code {code!r}: {said}")
    if "Traceback" in said:
        raise Broken(said)
    if code == 2:
        _check_told(said)
        if _contents(place.work) != before:
            changed = set(before.items()) ^ set(_contents(place.work).items())
            raise Broken(f"refused, and yet changed {sorted({name for name, _ in changed})}: {said}")
    leftover = [name for name in _contents(place.work) if ".partial" in name]
    if leftover:
        raise Broken(f"left {leftover}")
    place.outcomes["success" if code == 0 else "refused"] += 1
    return "success" if code == 0 else "refused"


def _check_told(said: str) -> None:
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    # What tyro says of options that it cannot read ends with where they are explained.
    if len(lines) != 1 and not ("--help" in said and "latentrl" in said):
        raise Broken(f"no single line that tells what is wrong: {said!r}")
    if len(lines) == 1 and len(lines[0]) > 3000:
        raise Broken(f"a line of {len(lines[0])} characters")


def _contents(folder: Path) -> dict[str, str]:
    """What lies in a folder: names, and digests of files. Maps of data for reading alone do not count."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
        if "mapped" not in path.parts and not path.name.startswith("events.out")
    }


# The kinds of cases.


def options(place: Place, data: st.DataObject) -> None:
    """Verbs with strange values of their options."""
    work = place.fresh()
    verb, fixed, flags = data.draw(
        st.sampled_from(
            [
                (train, ["--data", f"{work}/data", "--run", f"{work}/new", "--explain"], TRAIN),
                (train, ["--run", f"{work}/run", "--resume", "--explain"], TRAIN),
                (learn, ["--run", f"{work}/run", *QUICK], LEARN),
                (imagine, ["--run", f"{work}/run", "--length", "3"], IMAGINE),
                (inspect, ["--data", f"{work}/data"], ("--split",)),
                (study, ["pendulum", "--out", f"{work}/study", "--dry-run"], STUDY),
            ]
        )
    )
    chosen = data.draw(st.lists(st.sampled_from(flags), min_size=1, max_size=2, unique=True))
    strange = st.one_of(NUMBERS.map(str), WORDS)
    given: list[str] = []
    for flag in chosen:
        fitting = st.sampled_from([str(one).format(work=work) for one in FITTING.get(flag, ("0",))])
        given += [flag, data.draw(st.one_of(fitting, fitting, strange))]
    _verb(place, verb, [*fixed, *given])


TRAIN = tuple(
    "--steps --batch --kappa --blur --seed --device --model --prior --objective --version --state-size --position-size"
    " --annealing-steps --flat --samples --network --recipe --data --run".split()
)
LEARN = tuple("--goal --policy --name --action-limit --seed --input --drop --run --horizon".split())
IMAGINE = tuple("--actions --hold --seed --data --run".split())
STUDY = tuple("--seeds --jobs --rows --steps --device --data-dir".split())
FITTING: dict[str, tuple[object, ...]] = {
    "--steps": (3, 20),
    "--batch": (4, 16),
    "--kappa": (0.05, 0.5),
    "--blur": (0, 1),
    "--seed": (0, 7, 2**32 - 1),
    "--device": ("cpu",),
    "--model": (*MODELS, *STATICS),
    "--prior": tuple(PRIORS),
    "--objective": tuple(OBJECTIVES),
    "--version": ("joint",),
    "--state-size": (3, 4),
    "--position-size": (2,),
    "--annealing-steps": (2,),
    "--flat": (0, 300),
    "--samples": (1, 4),
    "--network": ("dense",),
    "--recipe": ("source", "latentrl"),
    "--data": ("{work}/data",),
    "--run": ("{work}/run",),
    "--goal": ("{work}/data/goal.png",),
    "--policy": ("analytic-gradient",),
    "--name": ("mine",),
    "--action-limit": (0.5, 3),
    "--input": ("mean", "belief"),
    "--drop": (0, 0.5),
    "--horizon": (2, 3),
    "--actions": ("random",),
    "--hold": (1, 2),
    "--split": ("train", "test"),
    "--seeds": (1, 2),
    "--jobs": (1, 2),
    "--rows": ("ekvae",),
    "--data-dir": ("{work}/data",),
}
"""Values of options that are taken, where what else is given goes with them."""
QUICK = ("--updates", "1", "--horizon", "2")
LARGE = ("--horizon", "--seeds", "--updates", "--steps")
"""Options whose large values are legitimate and take time or memory that nobody has here."""


def _verb(place: Place, verb: Callable[[Sequence[str]], None], words: Sequence[str]) -> None:
    for flag, value in zip(words, words[1:], strict=False):
        if flag in LARGE and value.isdigit() and len(value) > 2:
            hypothesis.reject()
    if any("\x00" in word for word in words):
        hypothesis.reject()  # no shell passes it on
    attempt(place, lambda: verb(list(words)))


def settings(place: Place, data: st.DataObject) -> None:
    """Verbs on a run whose ``settings.json`` is damaged."""
    work = place.fresh()
    (work / "run" / SETTINGS).write_bytes(data.draw(changed_json(place.template / "run" / SETTINGS)))
    _use_run(place, data)


def metadata(place: Place, data: st.DataObject) -> None:
    """Verbs on data whose ``metadata.json`` is damaged."""
    work = place.fresh()
    (work / "data" / "metadata.json").write_bytes(data.draw(changed_json(place.template / "data" / "metadata.json")))
    verb = data.draw(st.sampled_from(["train", "train", "imagine", "inspect"]))
    if verb == "train":
        _verb(place, train, ["--data", f"{work}/data", "--run", f"{work}/new", "--explain", "--device", "cpu"])
    elif verb == "imagine":
        _verb(place, imagine, ["--run", f"{work}/run", "--length", "3"])
    else:
        _verb(place, inspect, ["--data", f"{work}/data"])


def weights(place: Place, data: st.DataObject) -> None:
    """Verbs on a run whose weights are damaged."""
    work = place.fresh()
    name = data.draw(st.sampled_from([MODEL, "policy.safetensors", "policy.json"]))
    original = place.template / "run" / name
    content = data.draw(changed_json(original) if name.endswith("json") else changed_bytes(original.read_bytes()))
    (work / "run" / name).write_bytes(content)
    _use_run(place, data)


def _use_run(place: Place, data: st.DataObject) -> None:
    work = place.work
    verb = data.draw(st.sampled_from(["learn", "imagine", "train", "agent"]))
    if verb == "learn":
        _verb(place, learn, ["--run", f"{work}/run", "--goal", f"{work}/data/goal.png", *QUICK])
    elif verb == "imagine":
        _verb(place, imagine, ["--run", f"{work}/run", "--length", "3", "--sequences", "2"])
    elif verb == "train":
        _verb(place, train, ["--run", f"{work}/run", "--resume", "--explain", "--device", "cpu"])
    else:
        frame = np.zeros(SHAPE, np.uint8)
        attempt(place, lambda: load_agent(work / "run", agent="policy").act(frame))


def goals(place: Place, data: st.DataObject) -> None:
    """Pictures and other files as goals."""
    work = place.fresh()
    goal = work / "data" / data.draw(st.sampled_from(["goal2.png", "goal2.jpg", "goal2.json", "goal2"]))
    kind = data.draw(st.sampled_from(["picture", "picture", "huge", "damaged", "json", "folder", "nothing"]))
    if kind == "picture":
        size = data.draw(st.sampled_from([(4, 4), (4, 4), (1, 1), (5, 4), (3, 700)]))
        mode = data.draw(st.sampled_from(["L", "L", "L", "L", "RGB", "RGBA", "1", "P", "I;16", "F", "CMYK"]))
        made = "PNG" if mode not in ("F", "CMYK") else "TIFF"
        Image.new(mode, size).save(goal, made)
    elif kind == "huge":
        goal.write_bytes(huge_picture(data.draw(st.sampled_from([9_000, 20_000, 2**31 - 1]))))
    elif kind == "damaged":
        goal.write_bytes(data.draw(changed_bytes((work / "data" / "goal.png").read_bytes())))
    elif kind == "json":
        goal.write_bytes(_dumped(data.draw(JSONS)))
    elif kind == "folder":
        goal.mkdir()
    _verb(place, learn, ["--run", f"{work}/run", "--goal", str(goal), *QUICK])


def arrays(place: Place, data: st.DataObject) -> None:
    """Arrays of any dtype, shape and content for `latentrl.data_collection.storage.write`; one in three is sound."""
    work = place.fresh()
    if data.draw(st.integers(0, 2)) == 0:
        _sound_arrays(place, data)
        return
    dtype = data.draw(st.sampled_from(["uint8", "float32", "float64", "int64", "bool", "object", "complex64", "U3"]))
    shape = data.draw(st.sampled_from([(5, 4, 4, 1), (5, 3), (5,), (0, 3), (5, 0), (5, 3, 4, 4), (5, 4, 4)]))
    steps = data.draw(st.one_of(st.just(4), st.just(4), st.integers(0, 6)))
    size = data.draw(st.sampled_from([(1,), (1,), (1,), (), (2,), (0,), (1, 1)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    observations, actions = (
        (100 * rng.uniform(0, 1, one)).astype(kind)
        for one, kind in ((shape, dtype), ((steps, *size), data.draw(st.sampled_from(["float32", "float64", "int64"]))))
    )
    if actions.dtype.kind == "f" and actions.size and data.draw(st.booleans()):
        actions.flat[0] = data.draw(st.sampled_from([np.nan, np.inf, 1e30]))
    strange = st.dictionaries(st.sampled_from(["action_low", "action_high"]), JSONS, max_size=2)
    bounds = data.draw(st.one_of(st.just({}), st.just({}), strange))
    folder, split = (
        work / data.draw(st.sampled_from(["data", "new"])),
        data.draw(st.sampled_from(["train", "test", "x"])),
    )

    _store(place, folder, split, Trajectory(observations, actions), {"action_low": [-1], "action_high": [100]} | bounds)


def _sound_arrays(place: Place, data: st.DataObject) -> None:
    """What must be stored, and come back as it was."""
    shape = data.draw(st.sampled_from([(4, 4, 1), (3,), (16, 16, 3), (1,)]))
    size, steps = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 6))
    dtype = np.uint8 if len(shape) == 3 else np.float32
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    observations = (100 * rng.uniform(0, 1, (steps, *shape))).astype(dtype)
    actions = rng.uniform(-1, 1, (steps - 1, size)).astype(np.float32)
    # Without a second action there is none that differs.
    trajectories = Trajectory(observations, actions), Trajectory(observations, -actions)
    folder = place.work / "new"
    bounds = {"action_low": [-1.0] * size, "action_high": [1.0] * size}
    if _store(place, folder, "train", *trajectories, bounds) != "success":
        raise Broken("sound arrays were refused")
    back = load_sequences(folder, "train")
    if not np.array_equal(back.observations[0].numpy(), observations) or not np.array_equal(back.actions[0], actions):
        raise Broken("other arrays came back")


def _store(place: Place, folder: Path, split: str, *what: Any) -> str:
    *trajectories, bounds = what

    def stored() -> None:
        write(folder, split, [*trajectories, *trajectories, *trajectories], bounds)
        load_sequences(folder, split)

    return attempt(place, stored)


def studies(place: Place, data: st.DataObject) -> None:
    """Study files of any content."""
    work = place.fresh()
    rows: list[dict[str, Any]] = [{"name": "a", "model": "ekvae", "options": ["--state-size", "3"]}]
    content: dict[str, Any] = {"name": "mine", "steps": 5, "train": ["--batch", "4"], "columns": ["x"], "rows": rows}
    path = work / "mine.json"
    write_json(path, content)
    path.write_bytes(data.draw(changed_json(path)))
    _verb(
        place, study, [str(path), "--out", f"{work}/study", "--data-dir", f"{work}/data", "--dry-run", "--seeds", "1"]
    )


def records(place: Place, data: st.DataObject) -> None:
    """What a study, a suite or a quickstart notes of how far it is, damaged."""
    work = place.fresh()
    kind = data.draw(st.sampled_from(["study", "suite", "quickstart"]))
    if kind == "study":
        rows = [{"name": "a", "model": "ekvae", "options": ["--state-size", "3"]}]
        write_json(work / "mine.json", {"name": "mine", "steps": 5, "train": [], "columns": [], "rows": rows})
        words = [f"{work}/mine.json", "--out", f"{work}/study", "--data-dir", f"{work}/data", "--seeds", "1"]
        made = {"arguments": ["--steps", "5"], "data": "data", "state": "failed", "reason": "x", "seconds": 1.0}
        path, verb = work / "study" / "a" / "seed0.json", study
        words.append("--dry-run")
    elif kind == "suite":
        step = {"words": ["collect"], "state": "finished", "reason": None, "seconds": 1.0}
        made = {"collect": step, "train": step}
        path, verb = work / "suite" / "pendulum-v1" / "seed0" / "steps.json", suite
        words = ["--quick", "--out", f"{work}/suite", "--only", "pendulum-v1", "--list"]
    else:
        made = {"identity": {"seed": 1}, "finished": ["collect"], "seconds": {"collect": 1.0}}
        path, verb, words = work / "quick" / "stages.json", quickstart, ["--out", f"{work}/quick"]
    path.parent.mkdir(parents=True)
    write_json(path, made)
    path.write_bytes(data.draw(changed_json(path)))
    _verb(place, verb, words)


KINDS: dict[str, Callable[[Place, st.DataObject], None]] = {
    "options": options,
    "settings": settings,
    "metadata": metadata,
    "weights": weights,
    "goals": goals,
    "arrays": arrays,
    "studies": studies,
    "records": records,
}


def run(kind: str, cases: int, seed: int, place: Place) -> None:
    """Try ``cases`` of a kind.

    Raises:
        Exception: of the simplest case that fails; a group of them where there are several of different kinds.
    """

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        phases=[Phase.generate, Phase.shrink],
    )
    @hypothesis.given(st.data())
    def case(data: st.DataObject) -> None:
        KINDS[kind](place, data)

    case()


def main(argv: Sequence[str] | None = None) -> None:
    """The command; exits with 1 if a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000, help="in all, shared by the kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    given = parser.parse_args(argv)
    failed = 0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Place.make(Path(folder))
        os.chdir(folder)
        for kind in given.kinds:
            place.outcomes.clear()
            started = time.monotonic()
            try:
                run(kind, -(-given.cases // len(given.kinds)), given.seed, place)
                ended = "all ended well"
            except Exception as error:
                failed += 1
                ended = "FAILED"
                _print(error)
            counts: Mapping[str, int] = place.outcomes
            told = ", ".join(f"{count} {name}" for name, count in counts.items())
            print(f"{kind}, seed {given.seed}: {told}; {ended}, {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(failed > 0)


def _print(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error, limit=-6)
    for note in getattr(error, "__notes__", ()):
        print(note)


if __name__ == "__main__":
    main()
