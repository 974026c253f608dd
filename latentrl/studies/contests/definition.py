"""What a contest is: systems, the models that are trained in each of them, and the agents that then act there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from latentrl.studies.definition import Claim, Column, Row
from latentrl.studies.systems.base import System

AGENTS = {"cem": "CEM", "mppi": "MPPI", "ilqr": "iLQR", "policy": "policy", "sac": "SAC"}
"""Who acts, as ``latentrl evaluate`` and people call them."""
LEARNERS = {"sac": ("--policy", "sac")}
"""Of them, those that are learned beside the policy by analytic gradients, with their options of ``latentrl learn``."""


def success_rate(system: str, agent: str | None = None) -> str:
    """The name of a figure: the share of successes in a system, of an agent or, None, in the mean over all of them."""
    return f"{system} successes{'' if agent is None else f' {agent}'}"


@dataclass(frozen=True)
class Contest:
    """Models, each trained in several systems, judged by how every agent acts in them.

    Attributes:
        name: as the command line takes it.
        title: one line.
        claim: what is tested, of whom and where it is said.
        systems: their options of ``latentrl train`` without those that say the model; each has one evaluation, which
            counts successes.
        rows: the models.
        steps: gradient steps of every run, unless its row or `effort` says otherwise.
        claims: of figures named by `success_rate`.
        minutes: of a training of ``steps`` on one core, by model.
        acting: minutes of an evaluation on one core, the mean over agents, by model; else the system's.
        notes: what readers must know about the comparison.
        agents: who acts, with names for people.
        learners: of them, those that are learned beside the policy; see `System.learners`.
        planners: of them, planners under other names; see `System.planners`.
        only_in: names of the rows that an agent acts in, where these are not all.
        effort: of models in a system, by its name: gradient steps as a further multiple, where they learn more slowly.
    """

    name: str
    title: str
    claim: str
    systems: tuple[System, ...]
    rows: tuple[Row, ...]
    steps: int
    claims: tuple[Claim, ...] = ()
    minutes: Mapping[str, float] = field(default_factory=dict, hash=False)
    acting: Mapping[str, float] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()
    agents: Mapping[str, str] = field(default_factory=lambda: AGENTS, hash=False)
    learners: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LEARNERS, hash=False)
    planners: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    only_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    effort: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The figures that claims may be about."""
        names = {None: ""} | {agent: f", {label}" for agent, label in self.agents.items()}
        return tuple(
            Column(success_rate(one.name, agent), f"successes, {one.name}{label}")
            for one in self.systems
            for agent, label in names.items()
        )

    def agents_of(self, row: Row) -> tuple[str, ...]:
        """Who acts in a row's model."""
        return tuple(agent for agent in self.agents if row.name in self.only_in.get(agent, (row.name,)))

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            KeyError: none.
        """
        return {row.name: row for row in self.rows}[name]

    def runs(self, steps: int | None = None, recipe: str = "latentrl") -> dict[str, System]:
        """Every model in every system by ``SYSTEM-ROW``, as a system of its own.

        Args:
            steps: gradient steps in place of the contest's.
            recipe: of ``latentrl train``.
        """
        return {
            run_name(system, row): self._run(system, row, steps or self.steps, recipe)
            for system in self.systems
            for row in self.rows
        }

    def _run(self, system: System, row: Row, steps: int, recipe: str) -> System:
        agents, here = self.agents_of(row), self._effort_in(system, row)
        acting = {"evaluate": self.acting[row.model]} if row.model in self.acting else {}
        return replace(
            system,
            name=run_name(system, row),
            title=f"{system.title}: {row.label}",
            train=(*system.train, *_training(row, here.steps(steps), recipe)),
            # Who asks for a number of steps gets it, in a quick look too.
            small_steps=here.steps(steps),
            agents=agents,
            learners={agent: options for agent, options in self.learners.items() if agent in agents},
            planners=self.planners,
            minutes={**system.minutes, "train": self.minutes.get(row.model, 5.0) * here.effort, **acting},
        )

    def _effort_in(self, system: System, row: Row) -> Row:
        """The row with the steps that it takes in a system."""
        return replace(row, effort=row.effort * self.effort.get(system.name, {}).get(row.model, 1.0))


def run_name(system: System, row: Row) -> str:
    """Of the folder of a model in a system."""
    return f"{system.name}-{row.name}"


def _training(row: Row, steps: int, recipe: str) -> Sequence[str]:
    model = ("--model", row.model, "--objective", row.objective, "--prior", row.prior)
    return (*model, "--recipe", recipe, *row.options, "--steps", str(steps))
