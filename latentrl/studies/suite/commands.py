"""The experiment in one system with one seed as commands: data, training, policy, one evaluation for each agent."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import policy_path
from latentrl.data_collection.storage import METADATA
from latentrl.runs.folder import MODEL, SETTINGS, is_finished
from latentrl.studies.systems.base import GOAL, LOG, PHOTO, Evaluation, System
from latentrl.support.commands import MODULES

Verb = Literal["record", "collect", "import", "train", "learn", "evaluate"]

DATA, RUN, DECLARED = "<data>", "<run>", "<declared>"
"""In a step's words, what lies in the folder of its seed, and the declaration in the package."""
POLICY = "policy"
SMALL: dict[str, tuple[str, ...]] = {
    "collect": ("--sequences", "12", "--test-sequences", "12", "--num-envs", "3"),
    "import": (),
    "train": ("--batch", "4"),
    "learn": ("--updates", "1", "--horizon", "3"),
    "learn otherwise": ("--steps", "32", "--horizon", "3"),
    "evaluate": ("--episodes", "2", "--steps", "3"),
}
"""What takes the place of options, or comes to them, where a pass is only to go through."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: of its log, unique in the experiment: ``train``, ``evaluate hanging cem``.
        verb: what is done.
        words: what stands behind ``python``, with `DATA`, `RUN`, ... in place of folders: what makes two steps the
            same, wherever they lie.
        after: names of steps that have to be finished.
    """

    name: str
    verb: Verb
    words: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def repeatable(self) -> bool:
        """Whether it is done again where the system says it otherwise: what takes long is not thrown away."""
        return self.verb in ("learn", "evaluate")


def steps_of(system: System, seed: int, quick: bool = False) -> tuple[Step, ...]:
    """The steps of an experiment, in turn.

    Args:
        system: what is done.
        seed: of everything.
        quick: make everything as small as it can be.
    """
    found, seeded = list[Step](), ("--seed", str(seed))
    declared = () if system.declares is None else ("--describe", DECLARED)
    script = script_of(system, quick)
    if script is not None:
        found.append(Step("record", "record", ("-c", script.replace("SEED", str(seed)))))
    source = () if system.log is None else (LOG,)
    words = (*source, *system.record, *declared, "--out", DATA, *seeded)
    found.append(_step(system.verb, words, quick, tuple(step.name for step in found)))
    train = ("--data", DATA, "--run", RUN, *system.train, "--device", "cpu", *seeded)
    train = with_options(train, ("--steps", str(system.small_steps))) if quick else train
    found.append(_step("train", train, quick, (system.verb,)))
    learned = {agent: system.learners.get(agent, ()) for agent in system.agents if agent in (POLICY, *system.learners)}
    for agent, options in learned.items():
        words = ("--run", RUN, *system.learn, *options, *(() if agent == POLICY else ("--name", agent)), *seeded)
        found.append(_step("learn", words, quick, ("train",), learning_name(agent)))
    for one in system.evaluations:
        for agent in system.agents:
            found.append(_evaluation(system, one, agent, seeded, quick))
    return tuple(found)


def script_of(system: System, quick: bool) -> str | None:
    """What records a system's logs, with ``SEED`` where the seed is to stand; None where nothing is recorded."""
    return None if system.log is None else (system.small_log if quick else None) or system.log


def learning_name(agent: str) -> str:
    """The name of the step that learns an agent."""
    return "learn" if agent == POLICY else f"learn {agent}"


def evaluation_name(evaluation: Evaluation, agent: str) -> str:
    """The name of the step that judges an agent."""
    return f"evaluate {evaluation.name} {agent}"


def _evaluation(system: System, one: Evaluation, agent: str, seeded: tuple[str, ...], quick: bool) -> Step:
    goal = ("--goal", GOAL) if GOAL in system.learn else ()
    film = ("--no-video",) if agent == "random" and "--no-video" not in one.options else ()
    learned = agent == POLICY or agent in system.learners
    who = (POLICY, "--policy", agent) if agent in system.learners else system.planners.get(agent, (agent,))
    planning = system.planning if who[0] in PLANNERS else ()
    words = ("--run", RUN, *goal, "--agent", *who, *one.options, *planning, *film, *seeded)
    after = learning_name(agent) if learned else "train"
    return _step("evaluate", words, quick, (after,), evaluation_name(one, agent))


def _step(verb: str, words: tuple[str, ...], quick: bool, after: tuple[str, ...], name: str | None = None) -> Step:
    # An algorithm that is no gradient of ours counts steps, not updates.
    small = SMALL["learn otherwise" if verb == "learn" and "--policy" in words else verb]
    given = with_options(words, small) if quick else words
    return Step(name or verb, verb, ("-m", f"latentrl.{MODULES.get(verb, verb)}", *given), after)  # type: ignore[arg-type]


def with_options(words: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """The words with these options, pairs of flag and value, in place of those that are there or behind them."""
    found = list(words)
    for flag, value in zip(options[::2], options[1::2], strict=True):
        if flag in found:
            found[found.index(flag) + 1] = value
        else:
            found += [flag, value]
    return tuple(found)


@dataclass(frozen=True)
class Place:
    """The folder of one seed of one system, and what the words of a step mean there."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.folder / "model"

    @property
    def log(self) -> Path:
        """The recordings, where there are any, within a folder of their own."""
        return self.folder / "log" / "recordings"

    @property
    def photo(self) -> Path:
        """The goal that was photographed with the recordings."""
        return self.log.with_name("goal.png")

    def meaning(self, declaration: Path | None) -> Mapping[str, str]:
        """What stands in a command for each word in angle brackets."""
        return {
            DATA: str(self.data),
            RUN: str(self.run),
            LOG: str(self.log),
            PHOTO: str(self.photo),
            GOAL: str(self.data / "goal.png"),
            DECLARED: str(declaration),
        }

    def words(self, step: Step, declaration: Path | None) -> tuple[str, ...]:
        """What stands behind ``python`` in the command of a step, to begin with it or to go on."""
        if step.verb == "train" and (self.run / SETTINGS).is_file():
            return ("-m", "latentrl.train", "--run", str(self.run), "--resume")
        return filled(step.words, self.meaning(declaration))

    def product(self, step: Step) -> Path:
        """What is there once a step is done: a file that is written last, or the whole folder at once."""
        return {
            "record": self.photo,
            "collect": self.data / METADATA,
            "import": self.data / METADATA,
            "train": self.run / MODEL,
            "learn": policy_path(self.run, step.name.removeprefix("learn").strip() or POLICY),
        }.get(step.verb, self.outcome(step.name))

    def outcome(self, name: str) -> Path:
        """The figures of an evaluation, by its step's name."""
        return self.folder / "evaluations" / f"{name.removeprefix('evaluate ').replace(' ', '_')}.json"

    def has(self, step: Step) -> bool:
        """Whether what a step makes is there."""
        return is_finished(self.run) if step.verb == "train" else self.product(step).exists()


def filled(words: Sequence[str], meaning: Mapping[str, str]) -> tuple[str, ...]:
    """The words with what each word in angle brackets means; within a script it is replaced, too."""
    found = []
    for word in words:
        for token, value in meaning.items():
            word = word.replace(token, value)
        found.append(word)
    return tuple(found)


def shown(system: System, step: Step, out: Path, seed: int, declaration: Path | None = None) -> str:
    """The command of a step as a line that can be copied.

    Args:
        system: whose step it is.
        step: which.
        out: the suite's folder.
        seed: of the experiment.
        declaration: how the file that declares coordinates is written; None: where it is here.
    """
    place = Place(folder_of(out, system, seed))
    return shlex.join(["python", *filled(step.words, place.meaning(declaration or system.declaration))])


def folder_of(out: Path, system: System, seed: int) -> Path:
    """Where a seed of a system lies in the suite's folder."""
    return out / system.name / f"seed{seed}"
