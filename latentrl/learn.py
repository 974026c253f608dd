"""Learn a policy inside a model, for one goal or for any. Opens no environment, and no data but for a recorded goal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from latentrl.agents.bounds import ActionBounds
from latentrl.agents.horizon import horizon_steps
from latentrl.agents.learning import PART, LearningInterrupted, learn_into, log_folder
from latentrl.agents.options import LearnOptions
from latentrl.agents.policies import Learner, PolicyKind, check_policy, policy_kind, policy_path
from latentrl.goals.base import Goal
from latentrl.goals.distances import EUCLID, check_distance, check_trained_for
from latentrl.goals.doubts import doubts
from latentrl.goals.imagining import problem_of
from latentrl.goals.parsing import parse_goal
from latentrl.models.base import WorldModel
from latentrl.runs.folder import SETTINGS, goal_of, load_model, load_settings, without_goal
from latentrl.runs.opening import in_use
from latentrl.runs.schema import require
from latentrl.runs.warned import repeated
from latentrl.support.commands import command
from latentrl.support.errors import UserError, reported
from latentrl.support.files import read_json, refuse_link
from latentrl.support.locks import claimed
from latentrl.support.options import check_seed
from latentrl.support.printing import say
from latentrl.support.threads import few_threads
from latentrl.tracking import DEFAULT, choice_of, tracked

FAR_ACTION = 2.0
"""Times the largest recorded action: a limit beyond is warned of."""
ROUNDS = 4
"""Of a policy's updates at most, where their number is not given."""
FOR_ANY_GOAL: dict[str, Any] = {"updates": 1200, "hidden": (128, 128)}
"""Options of the analytic gradient for a goal-conditioned policy, which has more to learn."""
LONGER_FOR_ANY_GOAL = 2
"""Times the imagined steps of an algorithm of stable-baselines3 for a goal-conditioned policy."""
LONGEST_NAME = 100
"""Bytes: files have names of up to 255, and others are made of it."""


def learn(options: LearnOptions) -> Path:
    """Learn the policy and save it in the run folder; returns the path of its weights.

    Raises:
        UserError: no model in the run folder, an unsuitable goal, policy or number, stable-baselines3 is missing;
            another process is learning that policy.
        SystemExit: on Ctrl-C, with the code 130; what was learned is kept as NAME-interrupted, a policy that was there
            before as it was.
    """
    check_seed(options.seed)
    check_distance(options.distance)
    kind, name = policy_kind(options.policy), policy_name(options)
    check_policy(options.policy)
    if options.track is not None:
        choice_of(options.track)
    with in_use(options.run):
        check_trained_for(options.distance, options.run)
        return _learned(options, kind, name)


def _learned(options: LearnOptions, kind: PolicyKind, name: str) -> Path:
    text = own_goal(options.run) if options.goal is None else str(options.goal)
    goal = parse_goal(text)
    settings = _settings(options, kind, goal)
    model = load_model(options.run).requires_grad_(False)
    bounds = _bounds(options, model)
    try:
        learner, target = _learner(options, kind, goal, settings, model, bounds)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--policy {options.policy} --input {options.input}: {error}") from error
    doubted = doubts(goal, model, options.run) or _far(text, goal, target, model)
    notes: dict[str, object] = {
        "policy": options.policy,
        "goal": text,
        "target": target,
        **({} if options.distance == EUCLID else {"distance": options.distance}),
        "torque": options.torque,
        "action_low": bounds.low.tolist(),
        "action_high": bounds.high.tolist(),
        "seed": options.seed,
        "learner": asdict(settings),
    }
    path = policy_path(options.run, name)
    refuse_link(log_folder(options.run, path.stem))
    choice = None if options.track is None else choice_of(options.track)
    beside = None if choice is None or choice.tracker == DEFAULT else choice
    unit = "update" if options.policy == "analytic-gradient" else "step"
    with claimed(path), few_threads(), tracked(beside, options.run, notes, path.stem) as tracker:
        # Not before it is sure to begin: an error is read best alone.
        for warning in (*repeated(options.run), *doubted):
            say(f"warning: {warning}", flush=True)
        _warn_of_large_actions(options, model)
        _say_replaced(options.run, path, text)
        try:
            trackers = () if tracker is None else (tracker,)
            learn_into(options.run, learner, notes, path.stem, trackers, unit, options.progress)
        except LearningInterrupted as stopped:
            _say_interrupted(stopped, path, unit)
            raise SystemExit(130) from None
    print(f"{path}: the policy")
    chosen = () if name == "policy" else ("--policy", path.stem)
    # Goals of any kind come from the task, and there the policy is not the only one who can reach them.
    given = ("--agent", "policy") if target is None else ("--goal", text)
    line = command("evaluate", "--run", options.run, *given, *chosen, *_module_words(options.run))
    if _has_environment(options.run):
        print(f"next: {line}")
    else:
        print(f"next, in an environment that looks like the recordings: {line} --env ID")
    return path


def _say_replaced(run: Path, path: Path, goal: str) -> None:
    """Say that a policy will be lost, and what was measured of it tells of no other, while Ctrl-C still keeps it."""
    if not path.is_file():
        return
    before = _learned_for(run, path.with_suffix(".json"))
    which = "the policy that is there" if before in (None, goal) else f"the policy that was learned for --goal {before}"
    say(f"{path}: replaces {which}; --name NAME keeps both")
    stems = [f"evaluation_{path.stem}", f"evaluation_{path.stem}_"]
    of_it = [one for one in sorted(run.glob(f"{stems[0]}*.json")) if one.stem == stems[0] or stems[1] in one.stem]
    if of_it:
        say(f"{', '.join(map(str, of_it))}: of the policy that is replaced, until it is evaluated again")


def _learned_for(run: Path, notes: Path) -> str | None:
    """The goal of a policy, by a path that leads to it from here, where there is one; None where nobody knows."""
    try:
        found = read_json(notes, "").get("settings", {}).get("goal") if notes.is_file() else None
    except UserError:
        # What cannot be read cannot be asked either; it is to be learned again.
        return None
    # A run that was sent on says where the goal lay, and holds it.
    here = run / Path(str(found)).name
    return str(here) if found and not Path(found).is_file() and here.is_file() else found


def _say_interrupted(stopped: LearningInterrupted, path: Path, unit: str) -> None:
    there = f"; {path} is as it was" if path.is_file() else ""
    kept = "nothing to keep" if stopped.kept is None else f"{stopped.kept}: what was learned so far"
    print(f"\ninterrupted after {stopped.done} of {stopped.budget} {unit}s; {kept}{there}")


def own_goal(run: Path) -> str:
    """The goal that came with a run's data, a picture or readings; nothing of the data but its name is read.

    Raises:
        UserError: no run folder, or no goal came with its data.
    """
    settings = load_settings(run)
    require(settings, run / SETTINGS, "options.data")
    data = Path(settings["options"]["data"])
    found = goal_of(run, data)
    if found is None:
        raise UserError(
            f"--goal: {without_goal(data)}; give a picture or readings of the goal, frame:SEQUENCE:STEP, "
            "sequence:NUMBER, velocity:FRACTION or any"
        )
    return str(found)


def policy_name(options: LearnOptions) -> str:
    """The name of the policy's files: several live in one run folder.

    Raises:
        UserError: a name with anything but letters, digits, '-', '_' and '.'; one that Ctrl-C gives to what it keeps.
    """
    if options.name is None:
        return "policy" if options.policy == "analytic-gradient" else options.policy.lower()
    if not options.name or not all(character.isalnum() or character in "-_." for character in options.name):
        raise UserError(f"--name {options.name!r}: give letters, digits, '-', '_' and '.': it becomes a file's name")
    if len(options.name.encode()) > LONGEST_NAME:
        raise UserError(f"--name {options.name[:20]}...: give at most {LONGEST_NAME} bytes: it becomes a file's name")
    if policy_path(options.run, options.name).stem.endswith(PART):
        raise UserError(f"--name {options.name}: Ctrl-C keeps policies under names that end in {PART}; give another")
    return options.name


def main(argv: Sequence[str] | None = None) -> None:
    """``latentrl learn``."""
    with reported():
        learn(tyro.cli(LearnOptions, args=argv, prog="latentrl learn"))


def _learner(
    options: LearnOptions, kind: PolicyKind, goal: Goal, settings: Any, model: WorldModel, bounds: ActionBounds
) -> tuple[Learner, list[float] | None]:
    """What learns the policy, and the goal in latent units; None for any."""
    dynamics, start_states, reward, target = problem_of(goal, model, options.run, options.input, options.distance)
    return kind.learner(dynamics, reward, start_states, bounds.low, bounds.high, settings, options.seed), target


def _warn_of_large_actions(options: LearnOptions, model: WorldModel) -> None:
    """Say that actions are far beyond those that the data shows: a model learned nothing of them."""
    if options.torque is None:
        return
    most = max(model.spec.action_scale)
    if options.torque > FAR_ACTION * most:
        say(
            f"warning: --action-limit {options.torque:g}: the data's largest action is {most:g}; of larger ones "
            "the model has seen none"
        )


def _far(text: str, goal: Goal, target: list[float] | None, model: WorldModel) -> list[str]:
    """What is to be said of a position far from all where imagined episodes begin: in another unit, by another camera.

    Raises:
        UserError: it is not finite.
    """
    if target is None or not goal.is_position:
        return []
    if not all(map(math.isfinite, target)):
        raise UserError(f"--goal {text}: the model encodes it to {target}; give an observation as the data has them")
    starts = model.initial_states(512, torch.Generator().manual_seed(0))[:, : len(target)]
    low, high = starts.amin(0), starts.amax(0)
    beyond = torch.maximum(low - torch.tensor(target), torch.tensor(target) - high) / (high - low).clamp(min=1e-6)
    if beyond.max() <= 1.0:
        return []
    return [
        f"--goal {text}: lies far outside of what the data shows, by {beyond.max():.1f} times its range; is it in the "
        "units and from the camera of the data?"
    ]


def _bounds(options: LearnOptions, model: WorldModel) -> ActionBounds:
    """What is given, else what the run's environment has tasks for, else what its data was recorded within.

    What is not given is not beyond what the model trusts itself with.
    """
    size = model.spec.action_size
    if options.torque is not None:
        return ActionBounds.of({}, size, options.torque)
    settings = load_settings(options.run)
    require(settings, options.run / SETTINGS, "data")
    return ActionBounds.of(settings["data"], size, None).up_to(model.largest_actions)


def _has_environment(run: Path) -> bool:
    """Whether the run says where to act; recordings do not, and whoever evaluates has to."""
    return not (run / SETTINGS).is_file() or bool(load_settings(run).get("data", {}).get("env_id"))


def _module_words(run: Path) -> tuple[str, ...]:
    """The environment as flags, where it is one of a module: that is imported for who names it alone."""
    known = load_settings(run).get("data", {}) if (run / SETTINGS).is_file() else {}
    env_id = str(known.get("env_id") or "")
    return ("--env", env_id) if ":" in env_id else ()


def _settings(options: LearnOptions, kind: PolicyKind, goal: Goal) -> Any:
    given = {"input": options.input, "drop": options.drop}
    if options.policy == "analytic-gradient":
        defaults, own = _of_gradients(options, kind, goal)
    else:
        defaults, own = _of_algorithm(options, kind, goal)
    given |= own
    if options.drop and options.input == "mean":
        raise UserError(f"--drop {options.drop}: a mean does not tell that a frame is missing; give --input belief")
    try:
        return replace(defaults, **given)
    except ValueError as error:
        flags = " ".join(f"--{flag.replace('_', '-')} {value}" for flag, value in given.items())
        raise UserError(f"{flags}: {error}") from error


def _horizon(options: LearnOptions) -> int:
    """Steps of a roll-out; what the run says of its data counts for seconds alone."""
    in_steps = isinstance(options.horizon, int)
    recorded = {} if in_steps else load_settings(options.run).get("data") or {}
    return horizon_steps(options.horizon, recorded)


def _of_gradients(options: LearnOptions, kind: PolicyKind, goal: Goal) -> tuple[Any, dict[str, Any]]:
    """Defaults for the goal, and what was given of analytic-gradient's own options."""
    if options.steps is not None:
        raise UserError(f"--steps {options.steps}: analytic-gradient counts --updates")
    given: dict[str, Any] = {"horizon": _horizon(options), "bootstrap": options.bootstrap}
    if options.state_gradient is not None:
        given["state_gradient"] = options.state_gradient
    if options.updates is not None:
        given["updates"] = options.updates
    elif goal.is_single:
        given["rounds"] = ROUNDS
    return (kind.options if goal.is_single else replace(kind.options, **FOR_ANY_GOAL)), given


def _of_algorithm(options: LearnOptions, kind: PolicyKind, goal: Goal) -> tuple[Any, dict[str, Any]]:
    """Defaults for the goal, and what was given of the options of stable-baselines3's algorithms."""
    if options.updates is not None:
        raise UserError(f"--updates {options.updates}: {options.policy} counts --steps")
    if options.bootstrap:
        raise UserError(f"--bootstrap: {options.policy} learns values of its own; leave it out")
    if options.state_gradient is not None:
        raise UserError(f"--state-gradient {options.state_gradient:g}: {options.policy} follows no gradient of states")
    steps = options.steps
    if steps is None:
        steps = kind.options.steps * (1 if goal.is_single else LONGER_FOR_ANY_GOAL)
    return kind.options, {"length": _horizon(options), "steps": steps}


if __name__ == "__main__":
    main()
