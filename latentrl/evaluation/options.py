"""The options of ``latentrl evaluate`` and ``latentrl compare``, and the trial that the former stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from latentrl.agents.bounds import ActionBounds
from latentrl.agents.horizon import FLAG, PLANNED, horizon_hint, horizon_steps
from latentrl.agents.options import LIMIT_FLAG
from latentrl.agents.planners import PLANNERS
from latentrl.agents.policies import policy_path
from latentrl.envs import ENVIRONMENTS
from latentrl.evaluation.agents_by_name import agents, goals_of_policies, suits
from latentrl.evaluation.oracles import ORACLE
from latentrl.evaluation.run import Run
from latentrl.evaluation.sensing import Losses, parse_blackout
from latentrl.evaluation.trials import GivenGoal, Physics, Trial, task_of
from latentrl.goals.distances import DISTANCES, EUCLID, check_distance
from latentrl.goals.picture import PictureGoal
from latentrl.shipped.copies import RUN
from latentrl.support.errors import UserError
from latentrl.support.options import JSON_OBJECT, check_one_or_more, check_seed, default_hint
from latentrl.tracking import TRACK

SERVOED = ", ".join(name for name, one in ENVIRONMENTS.items() if one.servo is not None)
KNOWN = ", ".join(name for name, one in ENVIRONMENTS.items() if one.true_physics is not None)
AGENT_HELP = f"What chooses the actions: {', '.join(agents())}, or ({SERVOED}) {ORACLE}, which is told the truth."
AGENT = default_hint(
    "policy; cem where every episode has a goal of its own, or there is no policy for the goal", "AGENT"
)
TASK_HELP = (
    "; ".join(f"{name}: {', '.join(one.tasks)}" for name, one in ENVIRONMENTS.items() if one.tasks)
    + "; and those that are declared, or else reach: to come near the goal."
)
TASK = default_hint("what suits the run's environment and the goal", "TASK")
ENV_HELP = (
    "The environment to act in, for a run that was trained on recordings: an alias or a Gymnasium id, also as "
    "module:id."
)
ENV = default_hint("the data's own", "ENV")
REPEAT = default_hint("as recorded", "INT")
DESCRIBE = default_hint("none", "FILE")
DATA = default_hint("where the training found it", "FOLDER")
DISTANCE = tyro.conf.arg(metavar="{" + ",".join(DISTANCES) + "}")
DESCRIBE_HELP = "A TOML or JSON file that declares coordinates of the ground truth and tasks."
REFERENCES_HELP = (
    f"Add references above: every planner on the true physics ({KNOWN}), an oracle, which is told the truth "
    f"({SERVOED})."
)
PLANNED_HORIZON = horizon_hint(f"the planner's, {PLANNED} steps")


@dataclass(frozen=True)
class EvaluateOptions:
    """Let an agent act in the real environment and count its successes."""

    run: Annotated[Path, RUN]
    """The run folder of a trained model, or zoo:NAME."""
    agent: Annotated[str | None, tyro.conf.arg(help=AGENT_HELP), AGENT] = None
    policy: Annotated[str, tyro.conf.arg(metavar="NAME")] = "policy"
    """Which of the run's learned policies, for the agent policy."""
    goal: Annotated[str | None, default_hint("the task's own", "GOAL")] = None
    """A picture or readings of the goal, frame:SEQUENCE:STEP, sequence:NUMBER or velocity:FRACTION. A policy has
    learned its own. A picture does not tell the true pose: what is measured then is how near the episodes come to it,
    or how far apart they end."""
    task: Annotated[str | None, tyro.conf.arg(help=TASK_HELP), TASK] = None
    episodes: Annotated[int | None, default_hint("the task's", "INT")] = None
    """Parallel episodes, each with noise of its own."""
    steps: Annotated[int | None, default_hint("the task's", "INT")] = None
    """Of an episode."""
    torque: Annotated[float | None, LIMIT_FLAG, default_hint("the task's, else as recorded", "FLOAT")] = None
    """Largest action in every dimension, in the environment's units."""
    seed: int = 0
    """Of the environment's noise, the agent's and the lost frames."""
    drop: float = 0.0
    """The probability that a frame is lost."""
    blackout: Annotated[str | None, default_hint("none", "DARK/PERIOD")] = None
    """Steps without a frame in every so many, such as 5/20."""
    physics: Physics = "learned"
    """Where a planner looks ahead: in the model, or, for an upper bound, in the true physics from the true state."""
    horizon: Annotated[int | str | None, PLANNED_HORIZON] = None
    """How far a planner looks ahead: steps, such as 30, or seconds, such as 1.5s."""
    distance: Annotated[str, DISTANCE] = EUCLID
    """How far a position is from the goal, for planners: euclid, a straight line in the latent space; geodesic, the
    shortest way along the data, by how much the pictures change; flat, that by one metric, of a model trained with
    --flat."""
    env: Annotated[str | None, tyro.conf.arg(help=ENV_HELP), ENV] = None
    repeat: Annotated[int | None, REPEAT] = None
    """Steps of the environment that each action is held for."""
    reset_options: Annotated[dict[str, Any] | None, JSON_OBJECT, default_hint("the task's", "JSON")] = None
    """Where episodes begin: what goes to the environment's reset."""
    describe: Annotated[Path | None, tyro.conf.arg(help=DESCRIBE_HELP), DESCRIBE] = None
    data: Annotated[Path | None, DATA] = None
    """The run's data folder."""
    video: bool = True
    """Film one more episode, or the first four goals where every episode has its own."""
    live: tyro.conf.FlagCreatePairsOff[bool] = False
    """On a terminal: a panel with the episodes, the successes so far and the time of an action in the bar's place."""
    track: Annotated[str | None, TRACK] = None
    """Where else figures and film go."""


@dataclass(frozen=True)
class CompareOptions:
    """Write one table of all agents on all tasks. Run again, it repeats only what is not finished or has changed."""

    run: Annotated[Path, RUN]
    """The run folder of a trained model, or zoo:NAME."""
    tasks: Annotated[tuple[str, ...] | None, default_hint("all; with --goal the one it is for", "TASK ...")] = None
    """What to do."""
    agents: Annotated[tuple[str, ...], tyro.conf.arg(metavar="AGENT ...")] = field(
        default_factory=lambda: tuple(agents())
    )
    """Who does it: random, planners, and policy for every policy in the run that was learned for the task's goal."""
    goal: Annotated[str | None, default_hint("what came with the data", "GOAL")] = None
    """What to reach, in the task that evaluate takes for it; of several --tasks, in those that have no goal of their
    own."""
    true_physics: Annotated[bool, tyro.conf.arg(help=REFERENCES_HELP)] = True
    episodes: Annotated[int | None, default_hint("each task's", "INT")] = None
    """Parallel episodes."""
    steps: Annotated[int | None, default_hint("each task's", "INT")] = None
    """Of an episode."""
    torque: Annotated[float | None, LIMIT_FLAG, default_hint("each task's, else as recorded", "FLOAT")] = None
    """Largest action in every dimension, in the environment's units."""
    horizon: Annotated[int | str | None, PLANNED_HORIZON] = None
    """How far the planners look ahead: steps, such as 30, or seconds, such as 1.5s."""
    distance: Annotated[str, DISTANCE] = EUCLID
    """How far a position is from the goal, for planners: euclid, a straight line in the latent space; geodesic, the
    shortest way along the data, by how much the pictures change; flat, that by one metric, of a model trained with
    --flat."""
    seed: int = 0
    """Of the environment's noise and the agents'."""
    env: Annotated[str | None, tyro.conf.arg(help=ENV_HELP), ENV] = None
    repeat: Annotated[int | None, REPEAT] = None
    """Steps of the environment that each action is held for."""
    reset_options: Annotated[dict[str, Any] | None, JSON_OBJECT, default_hint("each task's", "JSON")] = None
    """Where episodes begin: what goes to the environment's reset."""
    describe: Annotated[Path | None, tyro.conf.arg(help=DESCRIBE_HELP), DESCRIBE] = None
    data: Annotated[Path | None, DATA] = None
    """The run's data folder."""


def run_of(options: EvaluateOptions | CompareOptions) -> Run:
    """The run, in the environment that the options name.

    Raises:
        UserError: no run folder, a bad number or declaration.
    """
    return Run.open(options.run, options.data, options.env, options.repeat, options.describe)


def trial_of(options: EvaluateOptions, run: Run) -> Trial:
    """The trial that the options stand for in their run; what is left out is chosen.

    Raises:
        UserError: a goal that cannot be read, a number out of its range, no environment.
    """
    check_numbers(options)
    if not 0.0 <= options.drop < 1.0:
        raise UserError(f"--drop {options.drop}: give a probability of at least 0 and below 1")
    dark, period = (0, 1) if options.blackout is None else parse_blackout(options.blackout)
    goal = GivenGoal.parse(options.goal)
    task = options.task or task_of(None if goal is None else goal.meaning, run.tasks, run.own_goal)
    agent = options.agent or _default_agent(task, goal, run)
    return Trial(
        agent=agent,
        task=task,
        policy=options.policy,
        physics=options.physics,
        goal=goal or _learned_goal(options, agent, task, run),
        episodes=options.episodes,
        torque=options.torque,
        seed=options.seed,
        losses=Losses(options.drop, dark, period),
        steps=options.steps,
        horizon=_horizon_for(agent, options, run),
        distance=_distance_for(agent, options),
        reset_options=options.reset_options,
        where=where_of(options),
    )


def horizon_of(options: EvaluateOptions | CompareOptions, run: Run) -> int | None:
    """The steps that planners look ahead, where the options say it.

    Raises:
        UserError: see `latentrl.agents.horizon.horizon_steps`.
    """
    return None if options.horizon is None else horizon_steps(options.horizon, run.settings["data"])


def _horizon_for(agent: str, options: EvaluateOptions, run: Run) -> int | None:
    horizon = horizon_of(options, run)
    if horizon is not None and agent not in PLANNERS:
        raise UserError(
            f"{FLAG} {options.horizon} --agent {agent}: only planners look ahead as they act; leave it out, or give "
            f"one of {', '.join(PLANNERS)} as --agent"
        )
    return horizon


def distance_of(options: EvaluateOptions | CompareOptions) -> str | None:
    """The distance that planners are rewarded by, where it is not the straight line.

    Raises:
        UserError: there is no such distance.
    """
    return None if check_distance(options.distance) == EUCLID else options.distance


def _distance_for(agent: str, options: EvaluateOptions) -> str | None:
    distance = distance_of(options)
    if distance is not None and (agent not in PLANNERS or options.physics == "true"):
        who = "--physics true" if agent in PLANNERS else f"--agent {agent}"
        raise UserError(
            f"--distance {distance} {who}: only planners in the model measure it as they act, and a policy has learned "
            f"by its own; leave it out, or give one of {', '.join(PLANNERS)} as --agent"
        )
    return distance


def check_numbers(options: EvaluateOptions | CompareOptions) -> None:
    """Refuse numbers that no trial can have.

    Raises:
        UserError: names the flag.
    """
    check_seed(options.seed)
    check_one_or_more(episodes=options.episodes, steps=options.steps)
    if options.torque is not None:
        ActionBounds.to_both_sides(options.torque, 1)


def where_of(options: EvaluateOptions | CompareOptions) -> dict[str, Any] | None:
    """What the options say of the environment, by flag; None where it is the run's own."""
    given = {"env": options.env, "repeat": options.repeat, "describe": options.describe and str(options.describe)}
    return {name: value for name, value in given.items() if value is not None} or None


def _default_agent(task: str, goal: GivenGoal | None, run: Run) -> str:
    known = run.tasks.get(task)
    if known is None:
        return "policy"
    if known.near and not (known.has_own_goals and goal is None):
        wanted = run.own_goal(known) if goal is None else goal.meaning
        policies = goals_of_policies(run.folder)
        # Without a goal at hand the policy's own is reached.
        fits = any(suits(own, wanted) for own in policies.values()) if wanted is not None else "policy" in policies
        return "policy" if fits else "cem"
    return "cem" if known.has_own_goals and goal is None else "policy"


def _learned_goal(options: EvaluateOptions, agent: str, task: str, run: Run) -> GivenGoal | None:
    """What a policy has learned to reach, where the task says nothing else."""
    known = run.tasks.get(task)
    if agent != "policy" or known is None or not known.near:
        return None
    if known.goal is not None or known.true_pose is not None or known.has_own_goals:
        return None
    name = policy_path(run.folder, options.policy).stem
    own = goals_of_policies(run.folder).get(name)
    # A policy from before goals were noted stands for a picture without a name.
    nameless = own is not None and str(own) == str(PictureGoal(Path()))
    # A run that was sent on has its goal with it; the policy notes where that lay when it was learned.
    moved = isinstance(own, PictureGoal) and run.goals is not None and own.is_file and not own.path.is_file()
    return None if own is None or not own.is_single or nameless or moved else GivenGoal.parse(str(own))
