"""Fitting a world model to sequences: a gradient step, and all that it changes.

A step reads no number off the device: what is decided from step to step (beta, the phase, the clock, whether a gradient
is finite) is decided there. Python looks now and then; on a processor, where looking costs nothing, at every step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import Sampled, StateSampler
from latentrl.objectives.base import Objective
from latentrl.training.adam import FusedAdam
from latentrl.training.coarse_to_fine import CoarseToFine
from latentrl.training.optimiser_state import load_optimiser, optimiser_tensors
from latentrl.training.pace import Pace
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.processes import ALONE, Processes
from latentrl.training.recording import CudaGraph
from latentrl.training.replayed import Replayed
from latentrl.training.settings import TrainSettings
from latentrl.training.sharpening import Sharpening
from latentrl.training.watch import Watch
from latentrl.types import RateDistortion, Sequences, is_image

COLUMNS = ("step", "beta", "constraint", "bound", "rate", "distortion", "sigma", "learning_rate", "seconds")

KEPT = 1.2
"""Times the error that is left, from which on sigma's square says that it was kept from falling to it."""


class DivergedError(RuntimeError):
    """The loss or its gradient is no longer finite."""


class Trainer:
    """One training: holds what changes from step to step, so that it can be saved and continued bit for bit.

    ``history`` has a row of ``COLUMNS`` for every ``log_every`` steps.

    Args:
        model: trained in place.
        objective: weighs rate against distortion.
        data: training sequences, on the model's device or, where they are too many for it, on the CPU: then batches
            are moved.
        settings: see :class:`TrainSettings`.
        seed: of batches and samples; the model was initialised by the caller.
        penalties: what is added to the objective's loss, in this order.
        loosen: whether the objective's bound may be raised to what the model can draw in time.
        processes: that train the model together, each on a batch of its own.

    Attributes:
        looks_every: steps between two looks at the device. Numbers do not depend on it, only what is computed in vain
            after a schedule's end, and when a training that diverged ends.
    """

    model: GenerativeModel
    objective: Objective
    data: Sequences
    settings: TrainSettings
    penalties: tuple[Penalty, ...]
    processes: Processes
    step: int
    seconds: float
    device: torch.device
    generator: torch.Generator
    batches: torch.Generator
    optimiser: FusedAdam
    watch: Watch
    looks_every: int
    blur: CoarseToFine | None
    pace: Pace
    sharpening: Sharpening
    replayed: Replayed

    def __init__(
        self,
        model: GenerativeModel,
        objective: Objective,
        data: Sequences,
        settings: TrainSettings,
        seed: int,
        penalties: Iterable[Penalty] = (),
        loosen: bool = True,
        processes: Processes = ALONE,
    ) -> None:
        self.model, self.objective, self.data, self.settings = model, objective, data, settings
        self.penalties, self.processes = tuple(penalties), processes
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.device = device = next(model.parameters()).device
        self.generator = torch.Generator(device=device).manual_seed(seed)
        # Where the sequences stay on the processor, a batch drawn on the device would have to be waited for.
        away = data.actions.device != device
        self.batches = torch.Generator(device=data.actions.device).manual_seed(seed) if away else self.generator
        self.optimiser = _optimiser(model)
        self.watch = Watch(device)
        self.looks_every = 1 if device.type == "cpu" else settings.log_every
        self._rates = _Rates(len(self.optimiser.param_groups), device)
        objective.to(device)
        blurred = is_image(data.observations) and settings.blur.width > 0
        self.blur = CoarseToFine(settings.blur, data.observations, device) if blurred else None
        if self.blur is not None and self.looks_every > 1:
            self.blur.prepare()
        # Without blur it is sigma's release alone that waits.
        start = settings.blur.start if blurred else settings.sigma_hold - 1
        self.pace = Pace(start, settings.scheduled(is_image(data.observations)), settings.patience, loosen)
        self.pace.to(device)
        self.sharpening = Sharpening(settings.sigma_growth)
        self.sharpening.to(device)
        self.replayed = Replayed(
            self._work, self._changed, self._holders, (self.generator,), CudaGraph if device.type == "cuda" else None
        )

    def advance(self) -> RateDistortion:
        """One gradient step.

        Raises:
            DivergedError: see :meth:`look`.
        """
        started = time.perf_counter()
        self.step += 1
        index, batch, noise = self._draw()
        self._set_learning_rates()
        terms = self._replayed_or_not(index, batch, noise)
        if self.step % self.looks_every == 0:
            self.look()
        self.seconds += time.perf_counter() - started
        if self.step % self.settings.log_every == 0:
            self.history.append(self._row(terms))
        return terms

    def look(self) -> None:
        """Wait for the device, and know what it has come to.

        Raises:
            DivergedError: a gradient was not finite; the parameters are as they were before its step.
        """
        found = self.watch.found()
        if found is not None:
            raise DivergedError(
                f"the gradient is {found.norm} at step {found.step} (beta {found.beta:.2g}, "
                f"C {found.constraint:.2g}): train with another --seed, a larger --batch or a larger --kappa"
            )
        self.pace.look()

    def _draw(self) -> tuple[Tensor, Sequences, torch.Generator | None]:
        """The numbers ``[B]`` of a batch's sequences, the batch, where the model is, and what draws its noise, if that
        is not the trainer's own generator."""
        index, noise = self.processes.share(self.batches, len(self.data), self.settings.batch, self.device)
        return index.to(self.device), self.data.take(index).to(self.device), noise

    def _replayed_or_not(self, index: Tensor, batch: Sequences, noise: torch.Generator | None) -> RateDistortion:
        if self.replayed.make is None or noise is not None or batch.times is not None or batch.seen is not None:
            return self.work(index, batch, noise)
        known = self.pace.known
        structure = (self.blur is None or self.blur.over(known), *(penalty.over(known) for penalty in self.penalties))
        return RateDistortion(*self.replayed(structure, (index, batch.observations, batch.actions)))

    def _work(self, given: Iterable[Tensor]) -> RateDistortion:
        index, observations, actions = given
        return self.work(index, Sequences(observations, actions))

    def _holders(self) -> tuple[object, ...]:
        """What decides from step to step, each with tensors that a step replaces."""
        return self.objective, self.pace, self.watch, self.sharpening

    def _changed(self) -> tuple[list[Tensor], list[Tensor]]:
        """The tensors that a step changes in place; and those that agree in steps that are alike, Adam's first moments.

        Parameters tell less: where a gradient is nearly zero, its rounding decides where Adam goes.
        """
        moments = [state["exp_avg"] for state in self.optimiser.state.values()]
        states = [value for state in self.optimiser.state.values() for value in state.values()]
        return [*self.model.state_dict().values(), *states], moments

    def work(self, index: Tensor, batch: Sequences, noise: torch.Generator | None = None) -> RateDistortion:
        """What the device does in a step: nothing is read off it, and no shape depends on a number.

        Args:
            index: ``[B]``, the numbers of the batch's sequences.
            batch: the sequences.
            noise: what draws the samples; the trainer's own generator if None.
        """
        clock = self.pace.tick(self.objective)
        if self.looks_every == 1:
            self.pace.look()
        if self.blur is not None and not self.blur.over(self.pace.known):
            seen = batch.observations
            seen = self.blur(seen, self.pace.known) if self.looks_every == 1 else self.blur.at(seen, clock)
            batch = replace(batch, observations=seen)
        sampled = self._sample(batch, self.generator if noise is None else noise)
        terms = self.processes.mean(sampled.terms)
        self.objective.update(terms)
        released = clock > self.settings.sigma_hold
        self._share_learning_rates(released)
        before = None if self.log_sigma is None else self.log_sigma.detach().clone()
        may_fall = self.sharpening.see(terms.rate, released)
        self.optimiser.zero_grad()
        loss = self.objective.loss(sampled.terms)
        step = Step(clock, index, batch, self.objective.beta, len(self.data), self.pace.known)
        for penalty in self.penalties:
            found = penalty(sampled, step)
            if found is not None:
                loss = loss + found
        loss.backward()
        self.processes.average_gradients(self.model.parameters())
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        # As after a step of mixed precision that overflowed, Adam then changes nothing.
        self.optimiser.found_inf = self.watch.see(norm, self.objective)
        self.optimiser.step()
        if before is not None:
            self._keep_sigma(before, may_fall)
        return terms

    def _sample(self, batch: Sequences, noise: torch.Generator) -> Sampled:
        """The model's rate and distortion, with the states they were estimated with if a penalty reads them."""
        if isinstance(self.model, StateSampler) and any(penalty.reads_states for penalty in self.penalties):
            return self.model.sampled_rate_distortion(batch, noise)
        return Sampled(self.model.rate_distortion(batch, noise))

    def _set_learning_rates(self) -> None:
        """What the schedule says, which Python knows."""
        factor, rates = self.settings.rate_factor(self.step), self.settings.learning_rates
        settled = {"encoder": self.settings.settled(self.step)}
        settled["decoder"] = settled["encoder"]
        names = [group["name"] for group in self.optimiser.param_groups]
        hurried = [self.settings.hurried(self.step, name) for name in names]
        wanted = zip(names, hurried, strict=True)
        self._rates.set([rates[name] * factor * settled.get(name, 1.0) * share for name, share in wanted])

    def _share_learning_rates(self, released: Tensor) -> None:
        """What phase and clock make of it, which the device knows."""
        shares = self.objective.shares()
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            name = group["name"]
            rate = rate * shares[name] if name in shares else rate
            group["lr"] = rate * released if name == "emission_noise" else rate

    @torch.no_grad()
    def _keep_sigma(self, before: Tensor, may_fall: Tensor) -> None:
        """Sigma falls only where it may, and never below its floor: pixels that are exact would outweigh everything."""
        assert self.log_sigma is not None
        self.log_sigma.copy_(torch.where(may_fall, self.log_sigma, torch.maximum(self.log_sigma, before)))
        if self.settings.sigma_floor > 0:
            self.log_sigma.clamp_(min=math.log(self.settings.sigma_floor))

    @property
    def log_sigma(self) -> Tensor | None:
        """The logarithm of the standard deviation of p(x | z), a parameter; None for a model that learns none."""
        found = getattr(self.model, "log_sigma", None)
        assert found is None or isinstance(found, Tensor)
        return found

    @property
    def sigma_is_kept(self) -> bool:
        """Whether sigma would be smaller if it might: it is at its floor, or waits for the dynamics."""
        if self.log_sigma is None or not (self.settings.sigma_floor or self.settings.sigma_growth):
            return False
        return float(self.log_sigma.detach().exp()) ** 2 > KEPT * float(self.objective.constraint)

    def _row(self, terms: RateDistortion) -> dict[str, float]:
        return {
            "step": self.step,
            "beta": float(self.objective.beta),
            "constraint": float(self.objective.constraint),
            "bound": float(self.objective.bound),
            "rate": float(terms.rate.mean()) / self.data.length,
            "distortion": float(terms.distortion.mean()) / self.data.length,
            "sigma": math.nan if self.log_sigma is None else float(self.log_sigma.detach().exp()),
            "learning_rate": self.settings.rate_factor(self.step),
            "seconds": self.seconds,
        }

    def align(self) -> None:
        """Go on from what the first of the processes has, to the last bit; all of them call it at the same step."""
        random = self.generator.get_state()
        self.processes.broadcast(
            [*self.model.state_dict().values(), *optimiser_tensors(self.optimiser).values(), random]
        )
        self.generator.set_state(random)

    def state(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Everything that another process needs to go on: tensors by name, and the rest as strings.

        Raises:
            DivergedError: see :meth:`look`.
        """
        self.look()
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        tensors.update(optimiser_tensors(self.optimiser))
        tensors["generator"] = self.generator.get_state()
        if self.batches is not self.generator:
            tensors["batches"] = self.batches.get_state()
        numbers = {"step": self.step, "seconds": self.seconds, "objective": self.objective.state()}
        numbers["pace"], numbers["sharpening"] = self.pace.state(), self.sharpening.state()
        return tensors, {"training": json.dumps(numbers)}

    def load_state(self, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        """Continue from the tensors and strings that :meth:`state` returned."""
        self.replayed.forget()
        self.model.load_state_dict(_strip(tensors, "model."))
        load_optimiser(self.optimiser, tensors)
        self.generator.set_state(tensors["generator"].cpu())
        # Checkpoints from before batches were drawn on their own have none.
        if self.batches is not self.generator and "batches" in tensors:
            self.batches.set_state(tensors["batches"].cpu())
        numbers = json.loads(metadata["training"])
        self.step, self.seconds = numbers["step"], numbers["seconds"]
        self.watch.begin(self.step)
        self.objective.load_state(numbers["objective"])
        self.objective.to(self.device)
        # Checkpoints from before it could wait have none.
        self.pace = replace(self.pace, **numbers.get("pace", {"clock": self.step}))
        self.pace.to(self.device)
        self.sharpening = replace(self.sharpening, **numbers.get("sharpening", {}))
        self.sharpening.to(self.device)


class _Rates:
    """Learning rates ``[G]`` on the device, written only where they change.

    Args:
        count: of parameter groups.
        device: of the parameters.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        # Adam's kernels on a GPU read float32.
        dtype = torch.float64 if device.type == "cpu" else torch.float32
        self._values = torch.zeros(count, dtype=dtype, device=device)
        self._known = [0.0] * count

    def set(self, rates: list[float]) -> None:
        """These from now on, in place."""
        if rates != self._known:
            for value, rate in zip(self, rates, strict=True):
                value.fill_(rate)
            self._known = rates

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._values.unbind())


def _optimiser(model: GenerativeModel) -> FusedAdam:
    """Adam over the model's groups of parameters, each with its name."""
    groups = [{"params": parameters, "name": name} for name, parameters in model.parameter_groups().items()]
    return FusedAdam(groups)


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
