"""The VampPrior, a mixture of a model's own posteriors (Tomczak and Welling, 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentrl.numerics.distributions import cholesky, gaussian_log_prob, sample_gaussian
from latentrl.priors.base import InitialDistribution, Posterior
from latentrl.types import Belief

COMPONENTS = 100
"""C unless somebody says otherwise; the source of the static models leaves it open."""
WIDTH = 0.3
"""Standard deviation of an unbound component at the start, of means with that of one."""


class VampPrior(InitialDistribution):
    """p(z) = 1/C sum_k q(z | u_k) with learned pseudo-inputs u_k (Tomczak and Welling, 2018, Eq. 9).

    It approximates the optimal prior, the aggregated posterior of Eq. 2.18, with few inputs in the place of all data.
    In a model of sequences z is the first state z_1 and u_k a first frame, which departs from the source: there u_k is
    an image of a model that knows no time.

    Readings among u_k are learned in units of their deviation over the first frames: a step of the optimiser is as
    large for thousands of newtons as for a hundredth of a radian.

    Until it is bound to a model, u_k holds the mean and the log variances of its component: a mixture of normals.

    Args:
        size: dimensions of z.
        hidden: of no use, for it has no networks of its own.
        components: C.
    """

    tied = False
    size: int
    examples: int
    posterior: Posterior | None
    images: bool
    pseudo_inputs: nn.Parameter
    gauge: Tensor | None
    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, size: int, hidden: Sequence[int] = (), components: int = COMPONENTS) -> None:
        super().__init__()
        self.size, self.examples = size, components
        self.posterior, self.images = None, False
        moments = torch.cat((torch.randn(components, size), torch.full((components, size), 2 * math.log(WIDTH))), -1)
        self.pseudo_inputs = nn.Parameter(moments)
        self.register_buffer("gauge", torch.eye(size))
        self.register_buffer("mean", None)
        self.register_buffer("scale", None)

    def bind(self, posterior: Posterior, shape: Sequence[int], images: bool) -> None:
        """Make ``posterior`` that of the components; pseudo-inputs ``[C, *shape]`` of images stay in [0, 1]."""
        self.posterior, self.images = posterior, images
        self.pseudo_inputs = nn.Parameter(torch.rand(self.examples, *shape))
        # Components are in the coordinates of their model.
        self.gauge = None
        if not images:
            self.mean, self.scale = torch.zeros(*shape), torch.ones(*shape)

    @torch.no_grad()
    def begin_at(self, frames: Tensor) -> None:
        """Take ``frames [C, *shape]`` for the first pseudo-inputs; unbound, it knows no frames and stays."""
        if self.posterior is None:
            return
        if self.mean is not None and self.scale is not None:
            deviation, mean = torch.std_mean(frames, 0, correction=0)
            self.mean.copy_(mean)
            self.scale.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))
            frames = (frames - self.mean) / self.scale
        self.pseudo_inputs.copy_(frames)

    def inputs(self) -> Tensor:
        """The pseudo-inputs ``[C, *shape]`` as a model sees observations, or unbound those of its own components."""
        if self.images:
            return self.pseudo_inputs.clamp(0, 1)
        if self.mean is None or self.scale is None:
            return self.pseudo_inputs
        return self.mean + self.scale * self.pseudo_inputs

    def components(self) -> Belief:
        """q(z | u_k), with means ``[C, Dz]`` and covariances ``[C, Dz, Dz]``."""
        inputs = self.inputs()
        if self.posterior is not None:
            return self.posterior(inputs)
        assert self.gauge is not None
        mean, log_variance = inputs.split(self.size, -1)
        return Belief(mean @ self.gauge.T, self.gauge @ log_variance.exp().diag_embed() @ self.gauge.T)

    def bound(self, state: Tensor, generator: torch.Generator | None = None, samples: int = 1) -> Tensor:
        """log p(z) for ``state [..., Dz]`` in nats; exact, so the bound is tight."""
        mixture = self.components()
        each = gaussian_log_prob(state.unsqueeze(-2).to(mixture.mean), mixture.mean, cholesky(mixture.covariance))
        return (each.logsumexp(-1) - math.log(self.examples)).to(state.dtype)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` latents ``[count, Dz]``: a component, then a sample of it."""
        mixture = self.components()
        chosen = torch.randint(self.examples, (count,), generator=generator, device=mixture.mean.device)
        factor = cholesky(mixture.covariance)
        return sample_gaussian(mixture.mean[chosen], factor[chosen], generator)[0].to(self.pseudo_inputs.dtype)

    def fresh(self) -> VampPrior:
        fresh = VampPrior(self.size, components=self.examples)
        if self.posterior is not None:
            fresh.bind(self.posterior, self.pseudo_inputs.shape[1:], self.images)
        return fresh

    @torch.no_grad()
    def take_coordinates(self, other: InitialDistribution) -> None:
        assert isinstance(other, VampPrior)
        if self.gauge is not None and other.gauge is not None:
            self.gauge.copy_(other.gauge)

    @torch.no_grad()
    def change_coordinates(self, gauge: Tensor) -> None:
        """Become the distribution of ``gauge z``: bound, by what the model does to its posterior at the same time."""
        if self.gauge is not None:
            self.gauge.copy_(gauge @ self.gauge.double())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # Runs of before have their pseudo-inputs in the readings' own units.
        if self.mean is not None and self.scale is not None and f"{prefix}mean" not in state_dict:
            state_dict[f"{prefix}mean"] = torch.zeros_like(self.mean)
            state_dict[f"{prefix}scale"] = torch.ones_like(self.scale)
        super()._load_from_state_dict(state_dict, prefix, *rest)
