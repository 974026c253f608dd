"""Initial distributions p(z_1) (Latent Matters, 4.1.2.1): a prior is one file and one line in ``PRIORS``."""

from __future__ import annotations

from latentrl.priors.base import InitialDistribution
from latentrl.priors.standard_normal import StandardNormal
from latentrl.priors.vamp import VampPrior
from latentrl.priors.vhp import VHP

PRIORS: dict[str, type[InitialDistribution]] = {"normal": StandardNormal, "vhp": VHP, "vamp": VampPrior}
"""``PRIORS[name](size, hidden)``: Dz and the hidden layers of the prior's networks, if it has any.

One that is to be a model's is bound to it: :meth:`latentrl.models.base.GenerativeModel.make_prior`."""

__all__ = ["PRIORS", "InitialDistribution"]
