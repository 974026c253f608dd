"""Fitting a world model to sequences: a gradient step, and all that it changes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from latentrl.models.base import GenerativeModel
from latentrl.models.capabilities import Sampled, StateSampler
from latentrl.objectives.base import Objective
from latentrl.training.coarse_to_fine import CoarseToFine
from latentrl.training.optimiser_state import load_optimiser, optimiser_tensors
from latentrl.training.pace import Pace
from latentrl.training.penalties.base import Penalty, Step
from latentrl.training.processes import ALONE, Processes
from latentrl.training.settings import TrainSettings
from latentrl.types import RateDistortion, Sequences, is_image

COLUMNS = ("step", "beta", "constraint", "bound", "rate", "distortion", "sigma", "learning_rate", "seconds")

AT_FLOOR = 1.001
"""Times sigma's floor, up to which it lies there."""


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
    """

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
        device = next(model.parameters()).device
        self.generator = torch.Generator(device=device).manual_seed(seed)
        groups = model.parameter_groups()
        self.optimiser = torch.optim.Adam(
            [{"params": parameters, "name": name} for name, parameters in groups.items()], lr=1e-3, fused=True
        )
        blurred = is_image(data.observations) and settings.blur.width > 0
        self.blur = CoarseToFine(settings.blur, data.observations, device) if blurred else None
        # Without blur it is sigma's release alone that waits.
        start = settings.blur.start if blurred else settings.sigma_hold - 1
        self.pace = Pace(start, settings.scheduled(is_image(data.observations)), settings.patience, loosen)

    def advance(self) -> RateDistortion:
        """One gradient step.

        Raises:
            DivergedError: the gradient is not finite; the parameters are as they were before the step.
        """
        started = time.perf_counter()
        self.step += 1
        clock = self.pace.tick(self.objective)
        device = self.generator.device
        index, noise = self.processes.share(self.generator, len(self.data), self.settings.batch)
        batch = self.data[index.to(self.data.actions.device)].to(device)
        if self.blur is not None:
            batch = replace(batch, observations=self.blur(batch.observations, clock))
        sampled = self._sample(batch, noise)
        terms = self.processes.mean(sampled.terms)
        self.objective.update(terms)
        self._set_learning_rates()
        self.optimiser.zero_grad()
        loss = self.objective.loss(sampled.terms)
        step = Step(clock, index, batch, self.objective.beta, len(self.data))
        for penalty in self.penalties:
            found = penalty(sampled, step)
            if found is not None:
                loss = loss + found
        loss.backward()
        self.processes.average_gradients(self.model.parameters())
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if not math.isfinite(float(norm)):
            raise DivergedError(
                f"the gradient is {float(norm)} at step {self.step} (beta {self.objective.beta:.2g}, "
                f"C {self.objective.constraint:.2g}): train with another --seed, a larger --batch or a larger --kappa"
            )
        self.optimiser.step()
        self._keep_sigma()
        self.seconds += time.perf_counter() - started
        if self.step % self.settings.log_every == 0:
            self.history.append(self._row(terms))
        return terms

    def _sample(self, batch: Sequences, noise: torch.Generator) -> Sampled:
        """The model's rate and distortion, with the states they were estimated with if a penalty reads them."""
        if isinstance(self.model, StateSampler) and any(penalty.reads_states for penalty in self.penalties):
            return self.model.sampled_rate_distortion(batch, noise)
        return Sampled(self.model.rate_distortion(batch, noise))

    def _set_learning_rates(self) -> None:
        factor, frozen = self.settings.rate_factor(self.step), self.objective.frozen()
        held = {"emission_noise"} if self.pace.clock <= self.settings.sigma_hold else set()
        for group in self.optimiser.param_groups:
            still = group["name"] in frozen or group["name"] in held
            settled = self.settings.settled(self.step) if group["name"] in ("encoder", "decoder") else 1.0
            group["lr"] = 0.0 if still else self.settings.learning_rates[group["name"]] * factor * settled

    def _keep_sigma(self) -> None:
        """Sigma never falls below its floor: pixels that are exact would outweigh everything."""
        if self.log_sigma is not None and self.settings.sigma_floor > 0:
            with torch.no_grad():
                self.log_sigma.clamp_(min=math.log(self.settings.sigma_floor))

    @property
    def log_sigma(self) -> Tensor | None:
        """The logarithm of the standard deviation of p(x | z), a parameter; None for a model that learns none."""
        found = getattr(self.model, "log_sigma", None)
        assert found is None or isinstance(found, Tensor)
        return found

    @property
    def at_floor(self) -> bool:
        """Whether sigma would be smaller if it might."""
        floor = self.settings.sigma_floor
        return self.log_sigma is not None and floor > 0 and float(self.log_sigma.detach().exp()) <= AT_FLOOR * floor

    def _row(self, terms: RateDistortion) -> dict[str, float]:
        return {
            "step": self.step,
            "beta": self.objective.beta,
            "constraint": self.objective.constraint,
            "bound": self.objective.bound,
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
        """Everything that another process needs to go on: tensors by name, and the rest as strings."""
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        tensors.update(optimiser_tensors(self.optimiser))
        tensors["generator"] = self.generator.get_state()
        numbers = {"step": self.step, "seconds": self.seconds, "objective": self.objective.state()}
        numbers["pace"] = self.pace.state()
        return tensors, {"training": json.dumps(numbers)}

    def load_state(self, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        """Continue from the tensors and strings that :meth:`state` returned."""
        self.model.load_state_dict(_strip(tensors, "model."))
        load_optimiser(self.optimiser, tensors)
        self.generator.set_state(tensors["generator"].cpu())
        numbers = json.loads(metadata["training"])
        self.step, self.seconds = numbers["step"], numbers["seconds"]
        self.objective.load_state(numbers["objective"])
        # Checkpoints from before it could wait have none.
        self.pace = replace(self.pace, **numbers.get("pace", {"clock": self.step}))


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
