"""The EKVAE as one writes it down from the equations: the yardstick of the training step's speed.

Time steps one after another, ``torch.linalg`` for the gains, ``torch.distributions`` for every density, and the
covariance updates in their textbook form. Nothing is batched over time except encoder and decoder, and nothing is made
slow on purpose. Given the same parameters and generator, all terms equal those of :class:`latentrl.models.ekvae.EKVAE`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from latentrl.models.capabilities import Sampled
from latentrl.models.ekvae import EKVAE, RateTerms
from latentrl.numerics.distributions import DiagonalGaussian, standard_normal_like
from latentrl.priors.vhp import VHP
from latentrl.types import Belief, RateDistortion, Sequences


class EagerEKVAE(EKVAE):
    """A copy of an EKVAE whose rate and distortion are computed naively; for training, that is with the first gauge.

    The transition's parameters are kept in float64, the precision of the recursion, so that no step converts them.

    Args:
        model: settings and parameters are taken from it.
    """

    def __init__(self, model: EKVAE) -> None:
        super().__init__(model.spec, model.settings)
        self.load_state_dict(model.state_dict())
        self.dynamics.double()

    def rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> RateDistortion:
        target = self.to_unit(batch.observations)
        posterior = self.encode(target)
        positions = posterior.rsample(generator)
        mean = self.decode(positions)
        pixels = Independent(Normal(mean, self.log_sigma.exp()), len(self.spec.observation_shape))
        distortion = -pixels.log_prob(target).sum(1)
        error = (mean - target).square().flatten(1).mean(1)
        terms = self.rate_terms(posterior, positions, batch.actions, generator)
        return RateDistortion(sum(terms, torch.tensor(0.0)).float(), distortion, error)

    def sampled_rate_distortion(self, batch: Sequences, generator: torch.Generator | None = None) -> Sampled:
        # Plainly: who wants the positions encodes the frames once more.
        return Sampled(self.rate_distortion(batch, generator))

    def rate_terms(
        self,
        posterior: DiagonalGaussian,
        positions: Tensor,
        actions: Tensor,
        generator: torch.Generator | None = None,
    ) -> RateTerms:
        a = positions.double()
        u = actions.double() / self.dynamics.control_scale
        encoder = independent(posterior.mean, posterior.variance).log_prob(positions).sum(1)
        filtered, predicted, transitions = self.filter_all(a, u)
        if self.settings.version == "joint":
            noise = standard_normal_like(a.new_empty(len(a), a.shape[1], self.state_size), generator)
            states, log_posterior = sample_trajectory(filtered, predicted, transitions, noise)
            emission = -sum_terms([self.emission_of(z).log_prob(a[:, t]) for t, z in enumerate(states)])
            transition = -sum_terms(
                [self.transition_of(z, u[:, t]).log_prob(states[t + 1]) for t, z in enumerate(states[:-1])]
            )
        else:
            smoothing = self.settings.version == "smoother"
            chosen = smooth_all(filtered, predicted, transitions) if smoothing else filtered
            # No term contains z_T.
            noise = standard_normal_like(a.new_empty(len(a), a.shape[1] - 1, self.state_size), generator)
            marginals = [normal(belief) for belief in chosen[:-1]]
            states = [q.loc + matvec(q.scale_tril, noise[:, t]) for t, q in enumerate(marginals)]
            log_posterior = marginals[0].log_prob(states[0])
            if smoothing:
                log_posterior = log_posterior + sum_terms(
                    [
                        marginals[t].log_prob(z) - normal(belief).log_prob(z)
                        for t, (z, belief) in enumerate(zip(states, filtered, strict=False))
                    ]
                )
            emission = -self.emission_of(states[0]).log_prob(a[:, 0])
            transition = -sum_terms(
                [self.next_position_of(z, u[:, t]).log_prob(a[:, t + 1]) for t, z in enumerate(states)]
            )
        prior = -self.initial_log_prob(states[0].float(), generator)
        return RateTerms(encoder.double(), emission, prior.double(), transition, log_posterior)

    # -- one time step -----------------------------------------------------------------------------------------------

    def linearise_at(self, state: Tensor, control: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F ``[B, Dz, Dz]``, B ``[B, Dz, Du]`` and Q ``[B, Dz, Dz]`` at one state, Eq. 4.14."""
        alpha = self.dynamics.gate(torch.cat((state, control), -1)).softmax(-1)
        state_matrix = torch.einsum("bm,mij->bij", alpha, self.dynamics.state_matrices)
        control_matrix = torch.einsum("bm,mij->bij", alpha, self.dynamics.control_matrices)
        variance = alpha @ (self.dynamics.log_noise.exp() + self.dynamics.noise_floor)
        return state_matrix, control_matrix, torch.diag_embed(variance)

    def transition_of(self, state: Tensor, control: Tensor) -> MultivariateNormal:
        """p(z_{t+1} | z_t, u_t) for ``state [B, Dz]`` and ``control [B, Du]``, Eq. 4.13."""
        f, b, q = self.linearise_at(state, control)
        return MultivariateNormal(matvec(f, state) + matvec(b, control), covariance_matrix=q)

    def next_position_of(self, state: Tensor, control: Tensor) -> MultivariateNormal:
        """p(a_{t+1} | z_t, u_t) for ``state [B, Dz]`` and ``control [B, Du]``, with z_{t+1} integrated out."""
        following, h, r = self.transition_of(state, control), self.projection, self.emission_variance().diag()
        return MultivariateNormal(matvec(h, following.loc), covariance_matrix=h @ following.covariance_matrix @ h.T + r)

    def emission_of(self, state: Tensor) -> MultivariateNormal:
        """p(a_t | z_t) for ``state [B, Dz]``, Eq. 4.17."""
        return MultivariateNormal(matvec(self.projection, state), covariance_matrix=self.emission_variance().diag())

    def initial_log_prob(self, state: Tensor, generator: torch.Generator | None) -> Tensor:
        """log p(z_1) ``[B]`` of ``state [B, Dz]`` or, of the VHP, its bound for one sample, Eq. 4.7."""
        standard = independent(torch.zeros_like(state), torch.ones_like(state))
        if not isinstance(self.initial_distribution, VHP):
            return standard.log_prob(state)
        encoded = self.initial_distribution.encoder(state)
        posterior = independent(encoded.mean, encoded.variance)
        zeta = encoded.mean + encoded.variance.sqrt() * standard_normal_like(state, generator)
        decoded = self.initial_distribution.decoder(zeta)
        likelihood = independent(decoded.mean, decoded.variance)
        return likelihood.log_prob(state) + standard.log_prob(zeta) - posterior.log_prob(zeta)

    # -- all time steps ----------------------------------------------------------------------------------------------

    def filter_all(self, a: Tensor, u: Tensor) -> tuple[list[Belief], list[Belief], list[Tensor]]:
        """The extended Kalman filter, Eq. 4.21-4.23, for ``a [B, T, Da]`` and ``u [B, T - 1, Du]``.

        Returns:
            T filtered and T predicted beliefs over ``[B]``, and F ``[B, Dz, Dz]`` between them.
        """
        h, r = self.projection, self.emission_variance().diag()
        identity = torch.eye(self.state_size, dtype=a.dtype)
        filtered, predicted, transitions = [], [self.filter_prior(len(a))], []
        for t in range(a.shape[1]):
            mean, covariance = predicted[-1]
            gain = torch.linalg.solve(h @ covariance @ h.T + r, h @ covariance).mT
            mean = mean + matvec(gain, a[:, t] - matvec(h, mean))
            covariance = (identity - gain @ h) @ covariance
            filtered.append(Belief(mean, covariance))
            if t + 1 < a.shape[1]:
                f, b, q = self.linearise_at(mean, u[:, t])
                transitions.append(f)
                predicted.append(Belief(matvec(f, mean) + matvec(b, u[:, t]), f @ covariance @ f.mT + q))
        return filtered, predicted, transitions


def smooth_all(filtered: list[Belief], predicted: list[Belief], transitions: list[Tensor]) -> list[Belief]:
    """The Rauch-Tung-Striebel recursion, Eq. 2.26-2.28: T smoothed beliefs, from F ``[B, Dz, Dz]`` of T - 1 steps."""
    smoothed = [filtered[-1]]
    for t in reversed(range(len(transitions))):
        gain = smoother_gain(filtered[t], predicted[t + 1], transitions[t])
        mean = filtered[t].mean + matvec(gain, smoothed[0].mean - predicted[t + 1].mean)
        change = smoothed[0].covariance - predicted[t + 1].covariance
        smoothed.insert(0, Belief(mean, filtered[t].covariance + gain @ change @ gain.mT))
    return smoothed


def sample_trajectory(
    filtered: list[Belief], predicted: list[Belief], transitions: list[Tensor], noise: Tensor
) -> tuple[list[Tensor], Tensor]:
    """States z_1:T drawn backwards from the joint smoothing distribution with ``noise [B, T, Dz]``, and log density."""
    last = normal(filtered[-1])
    states = [last.loc + matvec(last.scale_tril, noise[:, -1])]
    log_prob = last.log_prob(states[0])
    for t in reversed(range(len(transitions))):
        gain = smoother_gain(filtered[t], predicted[t + 1], transitions[t])
        mean = filtered[t].mean + matvec(gain, states[0] - predicted[t + 1].mean)
        covariance = filtered[t].covariance - gain @ predicted[t + 1].covariance @ gain.mT
        step = MultivariateNormal(mean, covariance_matrix=covariance)
        states.insert(0, step.loc + matvec(step.scale_tril, noise[:, t]))
        log_prob = log_prob + step.log_prob(states[0])
    return states, log_prob


def smoother_gain(filtered: Belief, predicted_next: Belief, transition: Tensor) -> Tensor:
    """G_t = P_t F_t' (P-_{t+1})^-1 ``[B, Dz, Dz]``, Eq. 2.26."""
    return torch.linalg.solve(predicted_next.covariance, transition @ filtered.covariance).mT


def normal(belief: Belief) -> MultivariateNormal:
    """The distribution of a belief."""
    return MultivariateNormal(belief.mean, covariance_matrix=belief.covariance)


def independent(mean: Tensor, variance: Tensor) -> Independent:
    """N(mean, diag(variance)) over the last dimension of ``mean [..., D]`` and ``variance [..., D]``."""
    return Independent(Normal(mean, variance.sqrt()), 1)


def matvec(matrix: Tensor, vector: Tensor) -> Tensor:
    """``[..., N, M]`` times ``[..., M]``."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def sum_terms(terms: list[Tensor]) -> Tensor:
    """The sum ``[B]`` over time of terms ``[B]``."""
    return torch.stack(terms).sum(0)
