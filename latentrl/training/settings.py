"""How a model is fitted: this project's recipe, the source's, and what a start on a chart changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from latentrl.training.coarse_to_fine import Schedule


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
        alignment: weight in nats of :func:`latentrl.numerics.least_squares.unexplained` while sigma is held; for images and
            models that encode every frame by itself.
        velocity_alignment: weight of :func:`latentrl.training.penalties.position.velocity_unexplained`, in nats per time step and as a
            part of the rate; for models that tell their states, with as many velocities as positions or after a warm
            start.
        straighten_at: fraction of the steps after which the model's positions are straightened once more and take the
            place of the chart that it began on (see :func:`latentrl.training.stages.straighten.straighten_again`).
        warm_start: steps of :func:`latentrl.training.stages.chart_start.start_on_chart` before the first; 0 for none.
        decoder_steps: of :func:`latentrl.training.stages.decoder.fit_decoder` after the last.
        transition_steps: of :func:`latentrl.training.stages.transition.fit_transition` after that.
        prior_steps: of :func:`latentrl.training.stages.prior.fit_prior` after that.
        em_steps: of :func:`latentrl.training.stages.transition_em.fit_transition_by_em` after the last.
        matrix_spread: standard deviation of an EKVAE's base matrices around their mean, a prior; 0 for none.
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
    em_steps: int = 0
    matrix_spread: float = 0.0
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

    def for_sensors(self, ekvae: bool) -> TrainSettings:
        """This recipe for observations that are no images.

        Sensors are quieter than pixels: sigma has a longer way to fall, from the data's deviation to their noise. In an
        EKVAE, below a hundredth of it what limits is how much encoder and decoder jitter from step to step. A start
        tells nothing of itself before sigma has fallen: about one in three then has the higher rate that it keeps.

        Args:
            ekvae: the model is one.
        """
        if not ekvae:
            return replace(self, learning_rates=self.learning_rates | {"emission_noise": 4e-3})
        return replace(
            self,
            learning_rates=self.learning_rates
            | {"encoder": 3e-4, "decoder": 3e-4, "emission_noise": 1e-2, "transition": 4e-3, "noise": 2e-2},
            decay_from=0.2,
            starts=3,
            start_steps=1000,
            sigma_hold=min(500, self.steps),
            velocity_alignment=2.0,
            em_steps=min(45_000, 6 * self.steps),
            matrix_spread=0.3,
        )

    def rate_factor(self, step: int) -> float:
        """What the learning rates are multiplied with at ``step`` (1 .. steps)."""
        start = self.decay_from * self.steps
        return 1.0 if step <= start else 1 - (step - start) / (self.steps - start)

    def settled(self, step: int) -> float:
        """What the learning rates of encoder and decoder are multiplied with at ``step``, besides."""
        return min(1.0, max(0.0, step / self.settle - 1)) if self.settle else 1.0
