"""How a model is fitted: the numbers of a training. Which they are, :mod:`latentrl.training.recipes` decides."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from latentrl.training.coarse_to_fine import Schedule

FlatPart = Literal["mixup", "scale"]
"""Parts of the penalty that makes the latent space flat, for ablations (section 5.2.3.1)."""


@dataclass(frozen=True)
class TrainSettings:
    """How a model is fitted, as ``settings.json`` stores it; the defaults are this project's recipe for small pictures.

    Attributes:
        steps: gradient steps.
        batch: sequences in a batch, drawn with replacement.
        learning_rates: of Adam, by parameter group (see ``WorldModel.parameter_groups``).
        settle: steps in which encoder and decoder rest, so that an untrained transition does not spoil them; their
            learning rates then rise for as many steps.
        decay_from: fraction of the steps after which all learning rates fall linearly to zero; 1 keeps them.
        starts: trainings begun with different weights, of which the one with the lowest rate goes on.
        start_steps: gradient steps before the choice.
        sigma_hold: steps for which the standard deviation of p(x | z) keeps its first value.
        sigma_floor: smallest standard deviation of p(x | z) in training, in units of the observation; 0 for none.
        sigma_growth: times what the rate was when sigma was released, up to which sigma falls on; 0: however large.
        patience: steps that coarse to fine and sigma's release wait for the constraint to be met; 0 for none.
        alignment: weight in nats of the position's penalty, while sigma is held.
        velocity_alignment: weight of the velocity's penalty, in nats per time step and as a part of the rate.
        straighten_at: fraction of the steps after which the positions are straightened once more and take the place of
            the chart that they began on.
        warm_start: steps of the start on a chart before the first; 0 for none.
        decoder_steps: of the decoder alone, after the last.
        transition_steps: of the transition alone, by the bound, after that.
        prior_steps: of the prior afresh, after that.
        em_steps: of the transition alone, by expectation-maximisation, after the last.
        matrix_spread: standard deviation of the base matrices around their mean, a prior; 0 for none.
        flat: eta, weight in nats a frame of the penalty that makes the latent space flat, a part of the rate; 0: none.
        flat_absolute: whether that penalty is in the observations' units, as in the source, and not in units of c^2.
        flat_without: a part of that penalty that is left out: ``"mixup"`` or ``"scale"``; None: none.
        aggressive_steps: first steps in which the encoder hurries ahead of all else.
        aggressive_updates: steps of the encoder alone before each of all else, then.
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
    sigma_floor: float = 0.0
    sigma_growth: float = 2.0
    patience: int = 300
    alignment: float = 500.0
    velocity_alignment: float = 2 / 3
    straighten_at: float = 0.5
    warm_start: int = 0
    decoder_steps: int = 0
    transition_steps: int = 0
    prior_steps: int = 0
    em_steps: int = 0
    matrix_spread: float = 0.0
    flat: float = 0.0
    flat_absolute: bool = False
    flat_without: FlatPart | None = None
    aggressive_steps: int = 0
    aggressive_updates: int = 10
    blur: Schedule = field(default_factory=Schedule)
    checkpoint_every: int = 500
    log_every: int = 20

    @property
    def compared_steps(self) -> int:
        """Steps of each start before the choice; 0 where there is none."""
        return min(self.start_steps, self.steps) if self.starts > 1 else 0

    @property
    def in_all(self) -> int:
        """Gradient steps of all starts together: those that are not chosen come on top."""
        return self.steps + (self.starts - 1) * self.compared_steps

    @property
    def halfway(self) -> int:
        """The step after which a model that began on a chart is straightened."""
        return math.floor(self.straighten_at * self.steps)

    def scheduled(self, images: bool) -> int:
        """The step by which sigma is free and, of ``images``, the blur gone; later where the constraint is late."""
        return max(self.sigma_hold, self.blur.end if images and self.blur.width > 0 else 0)

    def rate_factor(self, step: int) -> float:
        """What the learning rates are multiplied with at ``step`` (1 .. steps)."""
        start = self.decay_from * self.steps
        return 1.0 if step <= start else 1 - (step - start) / (self.steps - start)

    def hurried(self, step: int, group: str) -> float:
        """What the learning rate of a parameter group is further multiplied with at ``step`` (1 .. steps): 0 or 1.

        Aggressive updates of the inference network (He et al., 2019, Algorithm 1): it takes several steps for each of
        all else. The source goes on until the bound no longer rises, and stops where the mutual information of x and z
        does not; here both are numbers of steps.
        """
        if step > self.aggressive_steps:
            return 1.0
        others = step % (self.aggressive_updates + 1) == 0
        return float((group == "encoder") != others)

    def settled(self, step: int) -> float:
        """What the learning rates of encoder and decoder are further multiplied with at ``step`` (1 .. steps)."""
        return min(1.0, max(0.0, step / self.settle - 1)) if self.settle else 1.0
