"""What a system of the suite is: how its data is made, what is trained on it, and how agents are judged in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
FRAMES = 60_000
"""Of both splits together, at most."""
ENOUGH = ("--sequences", "2200", "--test-sequences", "500", "--length", "20")
"""54,000 frames: what a system is given unless it says otherwise."""
LOG, PHOTO, GOAL = "<log>", "<photo>", "<goal>"
"""In a system's words, what a seed has of its own: the folder of its recordings, the photo of the goal that was made
with them, and the goal in the data folder."""

Score = Literal["return", "successes"]


@dataclass(frozen=True)
class Evaluation:
    """One way to judge the agents of a system: a row of the table.

    Attributes:
        name: of its files, and in the table where a system has several.
        title: where episodes begin and what counts, for people.
        options: of ``latentrl evaluate``, but for run, agent, goal and seed.
        score: what is reported: the environment's own return, or the share of successes of a declared task.
        target: the least mean return, or share of successes, that counts as reached; None: it is only reported.
    """

    name: str
    title: str
    options: tuple[str, ...]
    score: Score = "return"
    target: float | None = None


@dataclass(frozen=True)
class System:
    """A system, and the whole experiment in it as options of the public verbs.

    Attributes:
        name: of its folder, and as ``--only`` takes it.
        title: in the table.
        needs: modules that have to be importable.
        install: how they come to be, for people.
        record: options of ``latentrl collect``; of ``latentrl import`` where there is a ``log``. Without folder
            and seed.
        train: options of ``latentrl train``, but for data, run and seed.
        evaluations: how agents are judged.
        seeds: of data, training, policy and episodes: three where a target stands, one where a score is only reported.
        learn: options of ``latentrl learn``, but for run and seed.
        agents: who is judged, the policy among them where one is learned.
        learners: agents that are learned beside the policy, each with options that come behind those of ``learn``.
        planners: agents that are planners under another name: by it, the planner and options of ``latentrl evaluate``.
        planning: options of ``latentrl evaluate`` for planners alone, such as ``--horizon``.
        log: a line of Python that writes recordings into the folder `LOG`, and last the photo `PHOTO`; ``SEED`` in it
            is the seed. None: an environment is recorded.
        small_log: the same of very few recordings.
        small_steps: gradient steps of a training that is only to go through.
        declares: the file beside this one that declares coordinates and tasks.
        minutes: on one core, by verb, until they are measured; of one evaluation of one agent.
        others: what others reach, from the environment's reward.
        note: what is to be known of the system to read its row.
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()
    install: str = ""
    record: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    seeds: int = 1
    learn: tuple[str, ...] = ("--goal", GOAL)
    agents: tuple[str, ...] = ("policy", "cem", "random")
    learners: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    planners: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    planning: tuple[str, ...] = ()
    log: str | None = None
    small_log: str | None = None
    small_steps: int = 4
    declares: str | None = None
    minutes: Mapping[str, float] = field(default_factory=dict, hash=False)
    others: str = ""
    note: str = ""

    @property
    def verb(self) -> str:
        """The verb that makes the data folder."""
        return "collect" if self.log is None else "import"

    @property
    def declaration(self) -> Path | None:
        """The file that declares coordinates and tasks."""
        return None if self.declares is None else HERE / self.declares
