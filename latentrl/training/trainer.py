"""Fitting a world model to sequences: a gradient step, and all that it changes."""

from __future__ import annotations

import json
import math
import time

import torch
from torch import Tensor

from latentrl.geometry.cylinder import Cylinder
from latentrl.models.base import WorldModel
from latentrl.models.capabilities import FrameEncoder, StateSampler
from latentrl.models.ekvae import EKVAE
from latentrl.numerics.least_squares import unexplained
from latentrl.objectives.base import Objective
from latentrl.training.coarse_to_fine import CoarseToFine
from latentrl.training.optimiser_state import load_optimiser, optimiser_tensors
from latentrl.training.penalties.position import leading_components, turn_unexplained, velocity_unexplained
from latentrl.training.settings import TrainSettings
from latentrl.types import RateDistortion, Sequences, is_image

COLUMNS = ("step", "beta", "constraint", "bound", "rate", "distortion", "sigma", "learning_rate", "seconds")


def alignment_target(data: Sequences, settings: TrainSettings, position_size: int) -> Tensor | None:
    """The components ``[N, T, Da]`` that the position is aligned with; None where settings or data want none."""
    if settings.alignment > 0 and not settings.warm_start and is_image(data.observations):
        return leading_components(data.observations, position_size)
    return None


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
        components: of :func:`alignment_target`, where several trainers share them; computed if None.
    """

    def __init__(
        self,
        model: WorldModel,
        objective: Objective,
        data: Sequences,
        settings: TrainSettings,
        seed: int,
        components: Tensor | None = None,
    ) -> None:
        self.model, self.objective, self.data, self.settings = model, objective, data, settings
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
        if components is None:
            components = alignment_target(data, settings, model.position_size)
        self.components: Tensor | None = None
        self.on_cylinder = False
        if components is not None:
            self.align(components)

    def align(self, components: Tensor) -> None:
        """Keep the position where it tells ``components [N, T, K]``, of unit variance, linearly.

        A recurrent posterior is left alone: aligned, it puts the velocity where no linear map of the state finds it.
        """
        if isinstance(self.model, FrameEncoder):
            self.components = components.to(self.generator.device)
            # A cylinder has two displacements, around and along, and a velocity is to tell each.
            charted = self.settings.warm_start > 0 and self.model.latent_size - self.model.position_size == 2
            self.on_cylinder = charted and Cylinder().detects(components.flatten(0, 1))

    def advance(self) -> RateDistortion:
        """One gradient step.

        Raises:
            DivergedError: the gradient is not finite; the parameters are as they were before the step.
        """
        started = time.perf_counter()
        self.step += 1
        device = self.generator.device
        index = torch.randint(len(self.data), (self.settings.batch,), generator=self.generator, device=device)
        batch = self.data[index.to(self.data.actions.device)].to(device)
        if self.blur is not None:
            batch = Sequences(self.blur(batch.observations, self.step), batch.actions)
        terms, states, positions = self._rate_distortion(batch)
        self.objective.update(terms)
        self._set_learning_rates()
        self.optimiser.zero_grad()
        loss = self.objective.loss(terms)
        if self.components is not None and self.step <= self.settings.sigma_hold:
            if positions is None:
                assert isinstance(self.model, FrameEncoder)
                positions = self.model.encode(batch.observations).mean
            told = unexplained(positions.flatten(0, 1), self.components[index].flatten(0, 1))
            loss = loss + self.settings.alignment * told
        if states is not None:
            weight = self.settings.velocity_alignment * batch.length * self.objective.beta
            loss = loss + weight * self.velocity_unexplained(states, index)
        if self.settings.matrix_spread and isinstance(self.model, EKVAE):
            prior = self.model.dynamics.matrix_prior(self.settings.matrix_spread)
            loss = loss + self.objective.beta * prior / len(self.data)
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if not math.isfinite(float(norm)):
            raise DivergedError(
                f"the gradient is {float(norm)} at step {self.step} (beta {self.objective.beta:.2g}, "
                f"C {self.objective.constraint:.2g}): lower the learning rates, or try another --seed"
            )
        self.optimiser.step()
        self.seconds += time.perf_counter() - started
        terms = RateDistortion(*(term.detach() for term in terms))
        if self.step % self.settings.log_every == 0:
            self.history.append(self._row(terms))
        return terms

    def _rate_distortion(self, batch: Sequences) -> tuple[RateDistortion, Tensor | None, Tensor | None]:
        """The model's, and the states that are to be aligned, if any, with their positions as they were encoded."""
        model = self.model
        alignable = self.settings.warm_start > 0 or model.latent_size == 2 * model.position_size
        if alignable and self.settings.velocity_alignment > 0 and isinstance(model, StateSampler):
            return model.sampled_rate_distortion(batch, self.generator)
        return model.rate_distortion(batch, self.generator), None, None

    def velocity_unexplained(self, states: Tensor, index: Tensor) -> Tensor:
        """The share of their displacements that the velocities of ``states [B, T, Dz]`` leave unexplained, a scalar.

        Args:
            states: sampled.
            index: ``[B]``, the numbers of their sequences.
        """
        if self.components is not None and self.on_cylinder:
            return turn_unexplained(states, self.components[index])
        return velocity_unexplained(states, self.model.position_size)

    def _set_learning_rates(self) -> None:
        factor, frozen = self.settings.rate_factor(self.step), self.objective.frozen()
        held = {"emission_noise"} if self.step <= self.settings.sigma_hold else set()
        for group in self.optimiser.param_groups:
            still = group["name"] in frozen or group["name"] in held
            settled = self.settings.settled(self.step) if group["name"] in ("encoder", "decoder") else 1.0
            group["lr"] = 0.0 if still else self.settings.learning_rates[group["name"]] * factor * settled

    def _row(self, terms: RateDistortion) -> dict[str, float]:
        sigma = getattr(self.model, "log_sigma", None)
        return {
            "step": self.step,
            "beta": self.objective.beta,
            "constraint": self.objective.constraint,
            "bound": self.objective.bound,
            "rate": float(terms.rate.mean()) / self.data.length,
            "distortion": float(terms.distortion.mean()) / self.data.length,
            "sigma": math.nan if sigma is None else float(sigma.detach().exp()),
            "learning_rate": self.settings.rate_factor(self.step),
            "seconds": self.seconds,
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Everything that another process needs to go on: tensors, and the rest as strings."""
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        tensors.update(optimiser_tensors(self.optimiser))
        tensors["generator"] = self.generator.get_state()
        numbers = {"step": self.step, "seconds": self.seconds, "objective": self.objective.state()}
        return tensors, {"training": json.dumps(numbers)}

    def load_state(self, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        """Continue from :meth:`state`."""
        self.model.load_state_dict(_strip(tensors, "model."))
        load_optimiser(self.optimiser, tensors)
        self.generator.set_state(tensors["generator"].cpu())
        numbers = json.loads(metadata["training"])
        self.step, self.seconds = numbers["step"], numbers["seconds"]
        self.objective.load_state(numbers["objective"])


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
