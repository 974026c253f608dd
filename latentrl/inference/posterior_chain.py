"""Posteriors over whole paths: every state given the one before it (Latent Matters, Eq. 4.12; Karl et al., 2017).

    q(z_t | z_{t-1}, ...) prop. to p(z_t | z_{t-1}, u_{t-1}) N(z_t; mu_t, diag r_t)

With p(z_t | z_{t-1}, u_{t-1}) = N(m, diag q) the product is N(m + g (mu - m), diag g r), g = q / (q + r): a Kalman gain
per dimension. A frame corrects what the dynamics predict, it does not replace it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latentrl.inference.kalman import symmetrise
from latentrl.numerics.distributions import DiagonalGaussian, standard_normal_like
from latentrl.types import Belief, stack_beliefs


def sample_chain(
    first: Tensor,
    factors: DiagonalGaussian,
    move: Callable[[Tensor, int], tuple[Tensor, Tensor]],
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """A path ``[B, T, Dz]`` of the posterior, and the sum of its divergences from the transition, ``[B]`` in nats.

    Args:
        first: z_1 ``[B, Dz]``.
        factors: N(mu_t, diag r_t) for t >= 2, ``[B, T - 1, Dz]``.
        move: the transition's mean and variances, each ``[B, Dz]``, from a state ``[B, Dz]`` at step 0, 1, ...
        generator: of the path.
    """
    state, states, noises, predictions = first, [first], [], []
    noise = standard_normal_like(factors.mean, generator).unbind(1)
    for t, (mean, variance) in enumerate(zip(factors.mean.unbind(1), factors.variance.unbind(1), strict=True)):
        predicted, q = move(state, t)
        gain = q / (q + variance)
        state = predicted + gain * (mean - predicted) + (gain * variance).sqrt() * noise[t]
        states.append(state)
        noises.append(q)
        predictions.append(predicted)
    if not noises:
        return torch.stack(states, 1), torch.zeros_like(first[:, 0])
    q, surprise = torch.stack(noises, 1), (factors.mean - torch.stack(predictions, 1)).square()
    # KL(N(m + g (mu - m), g r) || N(m, q)), written so that it survives q << r and q >> r.
    gain = q / (q + factors.variance)
    divergence = gain * surprise / (q + factors.variance) - gain + (q / factors.variance).log1p()
    return torch.stack(states, 1), 0.5 * divergence.sum((1, 2))


def chain_moments(
    first: Belief, factors: DiagonalGaussian, linearise: Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]
) -> Belief:
    """First-order moments ``[B, T]`` of the chain: the transition at the mean, covariances through its slope.

    Args:
        first: of z_1, ``[B]``.
        factors: as for :func:`sample_chain`.
        linearise: the transition's mean and variances, each ``[B, Dz]``, and its slope ``[B, Dz, Dz]``, at a state.
    """
    belief, beliefs = first, [first]
    for t, (mean, variance) in enumerate(zip(factors.mean.unbind(1), factors.variance.unbind(1), strict=True)):
        predicted, q, slope = linearise(belief.mean, t)
        gain = q / (q + variance)
        through = (1 - gain).unsqueeze(-1) * slope
        covariance = through @ belief.covariance @ through.mT + torch.diag_embed(gain * variance)
        belief = Belief(predicted + gain * (mean - predicted), symmetrise(covariance))
        beliefs.append(belief)
    return stack_beliefs(beliefs)
