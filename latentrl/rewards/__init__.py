"""Rewards on latent states, defined by a goal instead of by an environment (Latent Matters, section 4.3.2)."""
