"""Initial distributions p(z_1) (Latent Matters, 4.1.2.1): a prior is one file and one line in ``PRIORS``."""

from __future__ import annotations

from latentrl.priors.base import InitialDistribution
from latentrl.priors.standard_normal import StandardNormal
from latentrl.priors.vhp import VHP

PRIORS: dict[str, type[InitialDistribution]] = {"normal": StandardNormal, "vhp": VHP}
"""``PRIORS[name](size, hidden)``: Dz and the hidden layers of the prior's networks, if it has any."""

__all__ = ["PRIORS", "InitialDistribution"]
