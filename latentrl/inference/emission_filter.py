"""Online filtering in a learned model with p(x | z) = N(d(z), sigma^2 I), for posteriors that cannot run online.

Prediction moves cubature points through the transition (Arasaratnam and Haykin 2009, Eq. 21-26): a first frame leaves
the velocity open, and over such a spread no linearisation of a transition holds. The update finds the most probable
state by damped Gauss-Newton steps on

    |z - m|^2_{P^-1} / 2 + |x - d(z)|^2 / (2 sigma^2)

and takes the covariance from the curvature there (the iterated extended Kalman filter; Bell and Cathey 1993). Both are
the Kalman filter's steps where transition and decoder are linear. A first frame is compared with the images of samples
from the prior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentrl.inference.kalman import symmetrise
from latentrl.networks.dense import mlp_jacobian
from latentrl.types import Belief


def predict(belief: Belief, step: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Belief:
    """p(z_{t+1} | x_1:t, u_1:t) from ``belief`` over ``N`` states, by the 2 Dz cubature points of its normal.

    Args:
        belief: p(z_t | x_1:t, u_1:t-1).
        step: the transition: states ``[N, K, Dz]`` to their means ``[N, K, Dz]`` and noise covariances
            ``[N, K, Dz, Dz]``.
    """
    mean, size = belief.mean.double(), belief.mean.shape[-1]
    spread = size**0.5 * torch.linalg.cholesky(_jittered(belief.covariance.double())).mT
    points, noise = step(torch.cat((mean[:, None] + spread, mean[:, None] - spread), 1))
    moved = points.double().mean(1)
    deviation = points.double() - moved[:, None]
    return Belief(moved, symmetrise(deviation.mT @ deviation / (2 * size) + noise.double().mean(1)))


@dataclass(frozen=True)
class EmissionFilter:
    """Iterated extended Kalman updates for a model with p(x | z) = N(d(z), sigma^2 I) (Bell and Cathey 1993).

    Attributes:
        decoder: the mean of p(x | z), ``[N, Da]`` -> ``[N, Dx]``, made by :func:`latentrl.networks.dense.mlp`.
        sigma: standard deviation of p(x | z) per dimension, a number or a float64 scalar.
        iterations: tried Gauss-Newton steps of an update.
        particles: samples of the prior that a first frame is compared with.
        effective: effective number of those that must remain: a sharper likelihood is tempered, and the rest of it
            left to an update.
        position_size: Da, the leading dimensions of the state that the decoder reads; None: all.
    """

    decoder: nn.Sequential
    sigma: float | Tensor
    iterations: int = 8
    particles: int = 4096
    effective: float = 64.0
    position_size: int | None = None

    def update(self, predicted: Belief, frame: Tensor, share: Tensor | float = 1.0) -> Belief:
        """p(z_t | x_1:t) from the prediction and ``frame [N, *shape]`` (scaled, floating point).

        Args:
            predicted: belief over ``N`` states.
            frame: the observations.
            share: exponent of the likelihood, a number or ``[N]``; below one for what is left of a tempered one.
        """
        mean, target = predicted.mean.double(), frame.flatten(1).double()
        # In z = m + L y the prior is N(0, I): the curvature is at least one, however narrow the prediction.
        factor = torch.linalg.cholesky(_jittered(predicted.covariance.double()))
        precision = torch.as_tensor(share, dtype=torch.float64, device=mean.device).expand(len(mean)) / self.sigma**2
        point = torch.zeros_like(mean)
        damping = torch.full_like(precision, 1e-2)
        cost, slope, curvature = self._expand(mean, factor, point, target, precision)
        for _ in range(self.iterations):
            damped = curvature + damping[:, None, None] * torch.diag_embed(curvature.diagonal(dim1=-2, dim2=-1))
            candidate = point - torch.linalg.solve(damped, slope)
            found = self._expand(mean, factor, candidate, target, precision)
            better = found[0] <= cost
            point = torch.where(better[:, None], candidate, point)
            cost = torch.where(better, found[0], cost)
            slope = torch.where(better[:, None], found[1], slope)
            curvature = torch.where(better[:, None, None], found[2], curvature)
            damping = torch.where(better, 0.1 * damping, 10 * damping)
        covariance = factor @ torch.linalg.inv(curvature) @ factor.mT
        return Belief(mean + (factor @ point.unsqueeze(-1)).squeeze(-1), symmetrise(covariance))

    def _expand(
        self, mean: Tensor, factor: Tensor, point: Tensor, target: Tensor, precision: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Value ``[N]``, gradient ``[N, Dz]`` and Gauss-Newton curvature of the negative log posterior at y."""
        state = mean + (factor @ point.unsqueeze(-1)).squeeze(-1)
        position = state[:, : self.position_size].to(next(self.decoder.parameters()).dtype)
        image, jacobian = mlp_jacobian(self.decoder, position)
        residual, through = image.double() - target, jacobian.double() @ factor[:, : self.position_size]
        weighted = through.mT * precision[:, None, None]
        cost = 0.5 * (point.square().sum(-1) + precision * residual.square().sum(-1))
        slope = point + (weighted @ residual.unsqueeze(-1)).squeeze(-1)
        eye = torch.eye(point.shape[-1], dtype=point.dtype, device=point.device)
        return cost, slope, eye + weighted @ through

    def initial(self, prior: Callable[[int, torch.Generator], Tensor], frame: Tensor) -> Belief:
        """p(z_1 | x_1) for ``frame [N, *shape]``; the same particles, and so the same belief, at every call."""
        target = frame.flatten(1)
        generator = torch.Generator(device=target.device).manual_seed(0)
        states = prior(self.particles, generator)
        positions = states[:, : self.position_size]
        errors = torch.cat([torch.cdist(target, self.decoder(part)) for part in positions.split(512)], 1).square()
        fit = -0.5 * errors.double() / self.sigma**2
        share = self._tempering(fit)
        weights = (share[:, None] * fit).softmax(-1)
        samples = states.double()
        mean = weights @ samples
        deviation = samples - mean[:, None]
        covariance = (weights[..., None] * deviation).mT @ deviation
        return self.update(Belief(mean, symmetrise(covariance)), frame, 1 - share)

    def _tempering(self, fit: Tensor) -> Tensor:
        """The largest exponent ``[N]`` up to one that leaves ``effective`` of the log weights ``fit [N, K]``."""
        low, high = torch.zeros_like(fit[:, 0]), torch.ones_like(fit[:, 0])
        for _ in range(40):
            # Halving in the logarithm: the exponents in question span many orders of magnitude.
            middle = torch.sqrt(low.clamp(min=1e-12) * high)
            size = 1 / (middle[:, None] * fit).softmax(-1).square().sum(-1)
            low, high = (
                torch.where(size >= self.effective, middle, low),
                torch.where(size >= self.effective, high, middle),
            )
        enough = 1 / fit.softmax(-1).square().sum(-1) >= self.effective
        return torch.where(enough, torch.ones_like(low), low)


def _jittered(covariance: Tensor) -> Tensor:
    """A covariance that has a Cholesky factor even where directions are all but known."""
    size = covariance.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    return covariance + (1e-9 * size + 1e-15) * torch.eye(covariance.shape[-1]).to(covariance)
