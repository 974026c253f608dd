"""Fitting a world model to sequences: schedules, optimiser, checkpoints, log."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from latentrl.alignment import leading_components, turn_unexplained, unexplained, velocity_unexplained
from latentrl.coarse_to_fine import CoarseToFine, Schedule, is_image
from latentrl.errors import UserError
from latentrl.files import replacing
from latentrl.interrupts import deferred_interrupt
from latentrl.models.base import FrameEncoder, StateSampler, WorldModel
from latentrl.objective import Objective
from latentrl.optimiser_state import load_optimiser, optimiser_tensors
from latentrl.pieces import evenly_spread
from latentrl.runs import CHECKPOINT, HISTORY, read_tensors, write_tensors
from latentrl.straightening import is_cylinder
from latentrl.types import RateDistortion, Sequences

COLUMNS = ("step", "beta", "constraint", "bound", "rate", "distortion", "sigma", "learning_rate", "seconds")


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fitted; the defaults are this project's recipe, :meth:`source` is the source's.

    Attributes:
        steps: gradient steps.
        batch: sequences in a batch, drawn with replacement.
        learning_rates: of Adam, by parameter group (see ``WorldModel.parameter_groups``).
        settle: steps in which encoder and decoder rest, so that a transition that knows nothing yet does not spoil what
            they know; their learning rates then rise for as many steps.
        decay_from: fraction of the steps after which all learning rates fall linearly to zero; 1 keeps them.
        starts: trainings begun with different weights, of which the one with the lowest rate goes on; see
            :func:`best_start`.
        start_steps: gradient steps before the choice.
        sigma_hold: steps for which the standard deviation of p(x | z) keeps its first value.
        alignment: weight in nats of :func:`latentrl.alignment.unexplained` while sigma is held; for images and
            models that encode every frame by itself.
        velocity_alignment: weight of :func:`latentrl.alignment.velocity_unexplained`, in nats per time step and as a
            part of the rate; for models that tell their states, with as many velocities as positions or after a warm
            start.
        straighten_at: fraction of the steps after which the model's positions are straightened once more and take the
            place of the chart that it began on (see :func:`latentrl.chart_start.straighten_again`).
        warm_start: steps of :func:`latentrl.warm_start.start_on_chart` before the first; 0 for none.
        decoder_steps: of :func:`latentrl.decoder_fit.fit_decoder` after the last.
        transition_steps: of :func:`latentrl.transition_fit.fit_transition` after that.
        prior_steps: of :func:`latentrl.prior_fit.fit_prior` after that.
        blur: the coarse-to-fine schedule for images.
        checkpoint_every: steps between checkpoints.
        log_every: steps between lines of the log.
    """

    steps: int = 8000
    batch: int = 50
    learning_rates: dict[str, float] = field(
        default_factory=lambda: {
            "encoder": 1e-3,
            "decoder": 1e-3,
            "emission_noise": 2e-3,
            "transition": 3e-3,
            "noise": 1e-2,
            "prior": 1e-3,
        }
    )
    settle: int = 0
    decay_from: float = 0.5
    starts: int = 4
    start_steps: int = 400
    sigma_hold: int = 1500
    alignment: float = 500.0
    velocity_alignment: float = 2 / 3
    straighten_at: float = 0.5
    warm_start: int = 0
    decoder_steps: int = 0
    transition_steps: int = 0
    prior_steps: int = 0
    blur: Schedule = field(default_factory=Schedule)
    checkpoint_every: int = 500
    log_every: int = 20

    @classmethod
    def source(cls) -> TrainSettings:
        """The plain recipe of Table A.2: one learning rate of 1e-3, sharp images, sigma learned from the first step."""
        plain = cls()
        return replace(
            plain,
            learning_rates=dict.fromkeys(plain.learning_rates, 1e-3),
            decay_from=1.0,
            starts=1,
            sigma_hold=0,
            alignment=0.0,
            velocity_alignment=0.0,
            blur=Schedule(width=0.0, start=0, end=0),
        )

    def on_chart(self) -> TrainSettings:
        """This recipe for a model with a warm start.

        It knows the shape of its latent space, which a fast encoder would forget again; with sigma held, the rate has
        the weight that this takes. At the end sigma is set to the error that is left.
        """
        return replace(
            self,
            batch=16,
            learning_rates=self.learning_rates | {"encoder": 1e-4},
            settle=300,
            starts=1,
            sigma_hold=self.steps,
            alignment=10_000.0,
            velocity_alignment=5.0,
            warm_start=min(2500, self.steps),
            decoder_steps=min(16_000, self.steps),
            transition_steps=min(2000, self.steps),
            prior_steps=min(5000, self.steps),
            blur=Schedule(width=0.0, start=0, end=0),
        )

    def rate_factor(self, step: int) -> float:
        """What the learning rates are multiplied with at ``step`` (1 .. steps)."""
        start = self.decay_from * self.steps
        return 1.0 if step <= start else 1 - (step - start) / (self.steps - start)

    def settled(self, step: int) -> float:
        """What the learning rates of encoder and decoder are multiplied with at ``step``, besides."""
        return min(1.0, max(0.0, step / self.settle - 1)) if self.settle else 1.0


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
            charted = self.settings.warm_start > 0 and self.model.latent_size == 5
            self.on_cylinder = charted and is_cylinder(components.flatten(0, 1))

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


def best_start(make: Callable[[int], Trainer], settings: TrainSettings, progress: bool = True) -> Trainer:
    """The best of several trainings after their first steps.

    Some initial weights lead to a model that explains each frame but no motion. It never recovers, and it is known
    early by a rate that stays high: what the transition does not predict, the posterior must tell. No label is needed.

    Args:
        make: the trainer of start 0, 1, ..., each with weights and random numbers of its own.
        settings: ``starts`` and ``start_steps``.
        progress: show a progress bar.
    """
    if settings.starts == 1:
        return make(0)
    steps = min(settings.start_steps, settings.steps)
    best, lowest, spent = None, math.inf, 0.0
    with tqdm(total=settings.starts * steps, disable=not progress, unit="step", dynamic_ncols=True) as bar:
        for number in range(settings.starts):
            bar.set_description_str(f"start {number + 1} of {settings.starts}")
            trainer, rates = make(number), []
            for _ in range(steps):
                rates.append(float(trainer.advance().rate.mean()) / trainer.data.length)
                bar.update()
            recent = rates[3 * steps // 4 :]
            rate = sum(recent) / len(recent)
            bar.set_postfix_str(f"rate {rate:.2f} nats/step, lowest {min(rate, lowest):.2f}")
            spent += trainer.seconds
            if best is None or rate < lowest:
                best, lowest = trainer, rate
    assert best is not None
    best.seconds = spent
    return best


def fit(trainer: Trainer, folder: Path, progress: bool = True, until: int | None = None) -> None:
    """Train until ``settings.steps``, or until the step ``until``, logging and saving into ``folder``.

    A ``checkpoint.safetensors`` found there is continued. On Ctrl-C the state is saved and the interrupt goes on.

    Raises:
        DivergedError: see :meth:`Trainer.advance`; the last checkpoint stays.
        UserError: a checkpoint that does not belong to these settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, settings = folder / CHECKPOINT, trainer.settings
    last = settings.steps if until is None else until
    if checkpoint.is_file():
        tensors, metadata = read_tensors(checkpoint, "start afresh with --overwrite")
        try:
            trainer.load_state(tensors, metadata)
        except (RuntimeError, KeyError, ValueError) as error:
            raise UserError(f"{checkpoint} does not fit {folder}/settings.json ({error}): use --overwrite") from error
        trainer.history = list(_read_history(folder / HISTORY, trainer.step))
    with SummaryWriter(str(folder), purge_step=trainer.step + 1) as board, deferred_interrupt() as stop_if_asked:
        if not checkpoint.is_file():
            for row in trainer.history:
                _log(board, row)
        bar = tqdm(total=settings.steps, initial=trainer.step, disable=not progress, unit="step", dynamic_ncols=True)
        try:
            while trainer.step < last:
                stop_if_asked()
                trainer.advance()
                bar.update()
                if trainer.step % settings.log_every == 0:
                    row = trainer.history[-1]
                    _log(board, row)
                    bar.set_postfix_str(
                        f"C {row['constraint']:.1e} (bound {row['bound']:.1e}) beta {row['beta']:.1e} "
                        f"rate {row['rate']:.2f} distortion {row['distortion']:.0f} nats/step"
                    )
                if trainer.step % settings.checkpoint_every == 0:
                    _save(trainer, folder)
        except KeyboardInterrupt:
            _save(trainer, folder)
            raise
        finally:
            bar.close()
    _save(trainer, folder)


def _log(board: SummaryWriter, row: dict[str, float]) -> None:
    for key in COLUMNS[1:]:
        board.add_scalar(f"train/{key}", row[key], int(row["step"]))


def _save(trainer: Trainer, folder: Path) -> None:
    write_tensors(folder / CHECKPOINT, *trainer.state())
    with replacing(folder / HISTORY) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(trainer.history)


def _read_history(path: Path, until: int) -> Iterator[dict[str, Any]]:
    """The rows of an interrupted training up to the checkpoint; later ones will be written again."""
    if not path.is_file() or until == 0:
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["step"]) <= until:
                yield {key: int(value) if key == "step" else float(value) for key, value in row.items()}


def data_deviation(data: Sequences, sample: int = 8000) -> float:
    """Root mean variance of the observations over time and sequences, per dimension; images in [0, 1]."""
    frames = evenly_spread(data.observations.flatten(0, 1), sample)
    scaled = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
    return float(scaled.var(0).mean().sqrt())
