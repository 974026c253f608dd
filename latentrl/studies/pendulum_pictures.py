"""Single pictures of the pendulum at uniform angles: what two studies of static models are trained on."""

from __future__ import annotations

ENVIRONMENT = "latentrl/Pendulum-v0"
PICTURES = 15_000
"""As many as the source has (Latent Matters, Table 3.1 and section 5.1.4.1)."""
# Two pictures of each episode: the first is at a uniform angle, and so is where it is a step later.
COLLECT = ("--env", "pendulum", "--sequences", str(PICTURES // 2), "--test-sequences", "500", "--length", "2")


def trained(batch: int) -> tuple[str, ...]:
    """Options of every training, ``batch`` pictures in a step."""
    return ("--position-size", "2", "--kappa", "0.02", "--batch", str(batch))
