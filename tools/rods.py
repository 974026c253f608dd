"""One rod, drawn in many ways: is the recipe's outcome the same whatever the camera and the clock?

    python tools/rods.py --out runs/rods

The pendulum's rod is recorded at 16, 24, 48 and 64 pixels, with the camera's noise and without, once on white, and
with control steps from 0.1 to 0.01 s; the fast ones hold each action for as many steps as ``latentrl inspect``
suggests. Each is trained with the defaults, a policy is learned, and policy and planner (CEM) swing the rod up from
hanging. Every step is a public verb's command in a process of its own. Called again, it goes on; what is finished
stays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentrl.studies.suite.chain import Chain
from latentrl.studies.suite.commands import shown
from latentrl.studies.suite.outcome import QUICK, outcome_of
from latentrl.studies.suite.running import run_suite
from latentrl.studies.systems.base import Evaluation, System
from latentrl.support.errors import reported
from latentrl.support.files import write_json, write_text
from latentrl.support.printing import NONE

EPISODES = 20
SWING_UP = Evaluation(
    "swing-up",
    "20 hanging: upright within 0.2 rad through the last 5 of 20 s",
    ("--task", "swing-up", "--episodes", str(EPISODES), "--no-video"),
    "successes",
)
AGENTS = ("policy", "cem")
PAGE, FIGURES = "rods.md", "rods.json"
HEADS = (
    "rod",
    "R² angle",
    "R² velocity",
    "prediction / standing still",
    "policy",
    "CEM",
    "training, s",
    "all, s",
    "warnings",
)


@dataclass(frozen=True)
class Rod:
    """How one rod is recorded.

    Attributes:
        size: pixels.
        noise: of the camera, a fraction of full scale.
        background: black or white.
        control_step: of the environment, seconds.
        repeat: control steps that an action is held for, and after which a picture is taken.
    """

    size: int = 16
    noise: float = 0.01
    background: str = "black"
    control_step: float = 0.1
    repeat: int = 1

    @property
    def name(self) -> str:
        """Of its folder: what differs from the environment's defaults, behind the size."""
        parts = [str(self.size)]
        parts += [] if self.noise else ["noiseless"]
        parts += [] if self.background == "black" else [self.background]
        parts += [] if self.control_step == 0.1 else [f"{self.control_step:g}s"]
        parts += [] if self.repeat == 1 else [f"repeat{self.repeat}"]
        return "-".join(parts)

    @property
    def title(self) -> str:
        """In the table."""
        held = "" if self.repeat == 1 else f", held for {self.repeat}"
        return f"{self.size} x {self.size}, noise {self.noise:g}, {self.background}, {self.control_step:g} s{held}"

    def system(self, steps: int | None) -> System:
        """The whole experiment.

        Args:
            steps: of training; None: the default.
        """
        # What is the default is left out, so that the words are those that anybody would type.
        given = {"size": self.size, "noise": self.noise, "background": self.background}
        record = [
            word
            for name, value in given.items()
            for word in (f"--{name}", f"{value:g}" if name == "noise" else str(value))
        ]
        record += ["--control-step", f"{self.control_step:g}", "--repeat", str(self.repeat)]
        return System(
            name=self.name,
            title=self.title,
            record=("--env", "pendulum", "--picture", "rod", *record),
            train=() if steps is None else ("--steps", str(steps)),
            evaluations=(SWING_UP,),
            learn=(),
            agents=AGENTS,
        )


RODS = (
    *(Rod(size, noise) for noise in (0.0, 0.01) for size in (16, 24, 48, 64)),
    Rod(24, 0.0, "white"),
    # As many steps as `latentrl inspect` suggests for 60 sequences of 3 s that hold none.
    Rod(control_step=0.05, repeat=2),
    Rod(control_step=0.02, repeat=6),
    Rod(control_step=0.01, repeat=11),
)
OTHERS = (
    *(Rod(48, 0.0, "white"), Rod(128, 0.0), Rod(128)),
    *(Rod(control_step=step) for step in (0.05, 0.02, 0.01)),
)
"""Only where they are asked for: large, or slow to learn."""
KNOWN = {rod.name: rod for rod in (*RODS, *OTHERS)}


def table(found: Mapping[str, Any], command: str) -> str:
    """The page: a row for each rod that was begun, in the order of `KNOWN`.

    Args:
        found: of `latentrl.studies.suite.outcome.outcome_of`.
        command: that made it.
    """
    rows = [_row(rod, seeds[0]) for name, rod in KNOWN.items() if (seeds := found["systems"].get(name))]
    lines = [" | ".join(row) for row in (HEADS, ["---", *["---:"] * (len(HEADS) - 2), "---"], *rows)]
    about = (
        f"`{command}` makes this table. One seed each. Swing-ups succeeded of {EPISODES} from hanging. *Prediction /",
        "standing still*: of held-out pictures the mean squared error of what is predicted without looking, over that",
        "of a model that says that nothing moves. Without noise all episodes of a policy are the same one. Seconds are",
        "the clock's, on one core.",
    )
    quick = ["**Quick look: everything as small as it can be. No result.**", ""] if found[QUICK] else []
    whole = ["# One rod, many cameras and clocks", "", *quick, *about, "", *(f"| {line} |" for line in lines)]
    return "\n".join(whole) + "\n"


def _row(rod: Rod, seed: Mapping[str, Any]) -> list[str]:
    r2, figures = seed.get("r2", {}), seed.get("figures", {})
    predicted, still = figures.get("mse_predict_near"), figures.get("mse_still_near")
    judged = seed["evaluations"].get(SWING_UP.name, {})
    failed = [f"{name} failed: {step['reason']}" for name, step in seed["steps"].items() if step["state"] == "failed"]
    said = [*failed, *seed.get("warnings", ())]
    seconds = sum(step["seconds"] for step in seed["steps"].values())
    return [
        rod.title,
        *(_number(r2.get(name), ".4f") for name in ("angle", "velocity")),
        _number(predicted / still if predicted is not None and still else None, ".3f"),
        *(_successes(judged.get(agent)) for agent in AGENTS),
        _number(seed.get("train_seconds"), ".0f"),
        f"{seconds:.0f}",
        "<br>".join(said).replace("|", "\\|") or "none" if "r2" in seed or failed else NONE,
    ]


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _successes(judged: Mapping[str, Any] | None) -> str:
    return f"{sum(judged['success'])} of {len(judged['success'])}" if judged and "success" in judged else NONE


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/rods"), help="the folder for everything")
    parser.add_argument("--only", nargs="+", choices=tuple(KNOWN), metavar="NAME", help=f"of {', '.join(KNOWN)}")
    parser.add_argument("--steps", type=int, help="of each training, for a quicker look; the default is train's")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time, each on one core")
    parser.add_argument("--quick", action="store_true", help="everything as small as it can be; no result")
    parser.add_argument("--list", action="store_true", help="print every command and do nothing")
    parser.add_argument("--report", action="store_true", help="write the table of what is there and do nothing else")
    parser.add_argument("--retry-failed", action="store_true", help="do failed steps once more")
    given = parser.parse_args(argv)
    names = given.only or [rod.name for rod in RODS]
    chains = {name: Chain.of(rod.system(given.steps), 0, given.out, given.quick) for name, rod in KNOWN.items()}
    if given.list:
        for name in names:
            for step in chains[name].steps:
                print(shown(chains[name].system, step, given.out, 0))
        return 0
    with reported():
        if not given.report:
            try:
                run_suite([chains[name] for name in names], given.out, given.jobs, given.retry_failed)
            except KeyboardInterrupt:
                print("\ninterrupted; every step has saved its state. The same command goes on.", file=sys.stderr)
                return 130
        # What other calls have made is in the table too.
        found = outcome_of([chain for chain in chains.values() if chain.records()], given.quick)
        words = "python tools/rods.py" + (f" --steps {given.steps}" if given.steps else "")
        given.out.mkdir(parents=True, exist_ok=True)
        write_json(given.out / FIGURES, found)
        page = table(found, words + (" --quick" if given.quick else ""))
        write_text(given.out / PAGE, page)
        print(page)
    failed = [
        seed
        for seeds in found["systems"].values()
        for seed in seeds
        for step in seed["steps"].values()
        if step["state"] == "failed"
    ]
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
