"""A recipe in words: what is done with these data and options, stage by stage, and why."""

from __future__ import annotations

from collections.abc import Collection

import torch

from latentrl.inference.backends import NEEDS, PLAIN, is_installed, suits
from latentrl.inspection.readings import advice_on_readings, measure_readings
from latentrl.models.capabilities import RunsBackend
from latentrl.training.building import build_model
from latentrl.training.penalties import PENALTIES, PositionTarget, penalties_of
from latentrl.training.recipes import Recipe
from latentrl.training.settings import TrainSettings
from latentrl.training.situation import Situation


def notes(situation: Situation, recipe: Recipe) -> list[str]:
    """What a user should know before the training begins: what is left out, and why."""
    found = [] if situation.no_chart is None else [situation.no_chart]
    charted, count = situation.charted, situation.options.position_size
    if charted is not None and not charted.straight and situation.options.state_size < 2 * count:
        found.append(
            f"the coordinates that tell these pictures apart are bent: --state-size {2 * count}, a velocity for each "
            f"position, serves them better than {situation.options.state_size}"
        )
    found += too_few_steps(situation, recipe.settings)
    lost = None if situation.each_reading else situation.kappa
    found += advice_on_readings(measure_readings(situation.data), lost)
    if recipe.left_out:
        missing = ", no ".join(dict.fromkeys(name for lacks in recipe.left_out.values() for name in lacks))
        stages = ", ".join(recipe.left_out)
        found.append(f"{situation.options.model}: trained without {stages} (the model has no {missing})")
    return found


def too_few_steps(situation: Situation, settings: TrainSettings) -> list[str]:
    """What is to be said where a training ends before its schedules do; else nothing."""
    needed = settings.scheduled(situation.images)
    if settings.steps >= needed:
        return []
    what = "pictures are blurred and sigma is held" if situation.images and settings.blur.width else "sigma is held"
    return [f"fewer steps than the schedule needs: --steps {settings.steps}, and {what} for up to {needed}"]


def explained(situation: Situation, recipe: Recipe, finished: Collection[str] = ()) -> list[str]:
    """The lines of ``latentrl train --explain``; stages that are ``finished`` in a run to be resumed are marked."""
    options, data, settings = situation.options, situation.data, recipe.settings
    shape = tuple(data.observations.shape[2:])
    kind = "pictures" if situation.images else "sensors"
    given = "given" if options.kappa is not None else "a sixth of the data's deviation"
    count = f"{len(data)} single" if situation.static else f"{len(data)} sequences of {data.length}"
    lines = [
        f"recipe {options.recipe} for {options.model}, on {options.data}",
        f"  data         {count} {kind} {shape}, deviation {situation.deviation:.3g}",
        f"  constraint   kappa {situation.kappa:.3g} ({given}), objective {options.objective}",
        *_pace(situation, recipe),
        f"  model        {_numbers(recipe.model, situation.entry.flags)}",
        f"  backend      {_backend(situation)}",
        *_standardised(situation),
        f"  batch        {settings.batch} {'frames' if situation.static else 'sequences'}",
        f"  steps        {amount(settings)}",
        *_penalties(situation, recipe),
        "stages",
    ]
    width = max(map(len, recipe.stages), default=0)
    for number, (name, why) in enumerate(recipe.stages.items(), start=1):
        lines.append(f"  {number}. {name:<{width}}  {'(done) ' if name in finished else ''}{why}")
    return [*lines, *notes(situation, recipe)]


def amount(settings: TrainSettings) -> str:
    """How many gradient steps are taken in all, and how many of them are not the kept model's."""
    steps, each = settings.steps, settings.compared_steps
    if not each:
        return f"{steps} gradient steps"
    rest = f"the best goes on to {steps}" if steps > each else "the best is kept"
    return f"{settings.in_all} gradient steps in all: {settings.starts} starts of {each}, {rest}"


def _pace(situation: Situation, recipe: Recipe) -> list[str]:
    """What the pictures' schedule waits for."""
    settings = recipe.settings
    if not (situation.images and settings.blur.width and settings.patience):
        return []
    raised = "then kappa is raised" if situation.options.kappa is None else "then it goes on"
    what = f"pictures become sharper while the constraint is met, or {settings.patience} steps late: {raised}"
    waits = f"; sigma falls while the rate is at most {settings.sigma_growth:g} times that at its release"
    return [f"  pace         {what}{waits if settings.sigma_growth else ''}"]


def _backend(situation: Situation) -> str:
    """The backend, and what a faster one needs where that is not installed."""
    name, able = situation.options.backend, RunsBackend in situation.capabilities
    lacking = [extra for other, (_, extra) in NEEDS.items() if not is_installed(other)]
    faster = able and suits(situation.device.type, situation.options.state_size)
    if name != PLAIN or not faster or not lacking:
        return name
    return f"{name} (faster: pip install '{lacking[-1]}')"


def _standardised(situation: Situation) -> list[str]:
    """Why the networks see standardised observations, or plain ones, where that was not given."""
    if situation.standardised is None:
        return []
    return [f"  standardise  {'yes' if situation.options.standardise else 'no'}: {situation.standardised}"]


def _numbers(model: dict[str, object], flags: frozenset[str]) -> str:
    shown: tuple[str, ...] = (
        "network",
        "state_size",
        "position_size",
        "prior",
        "version",
        "initial_sigma",
        "standardise",
    )
    shown += tuple(sorted(flags - {"version"}))
    told = {name: model[name] for name in shown if name in model}
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in told.items()
    )


def _penalties(situation: Situation, recipe: Recipe) -> list[str]:
    """Those that a model made by the recipe has."""
    settings, options = recipe.settings, situation.options
    model = build_model(situation, recipe, options.seed)
    # Which components they are does not matter here: there are some where the data are pictures.
    target = PositionTarget(torch.zeros(0) if situation.images else None)
    names = penalties_of(model, settings, target)
    return [f"  penalty      {name}: {PENALTIES[name].described(settings)}" for name in names]
